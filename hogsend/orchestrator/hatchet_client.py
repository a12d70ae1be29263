"""Talks to the engine: triggers runs in bulk and asks whether it is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import grpc  # type: ignore[import-untyped]  # ships no types
from hatchet_sdk import ClientConfig
from hatchet_sdk.connection import load_channel_credentials
from hatchet_sdk.contracts.dispatcher_pb2 import GetVersionRequest
from hatchet_sdk.contracts.dispatcher_pb2_grpc import DispatcherStub
from hatchet_sdk.contracts.v1.shared.trigger_pb2 import TriggerWorkflowRequest
from hatchet_sdk.contracts.workflows_pb2 import BulkTriggerWorkflowRequest
from hatchet_sdk.contracts.workflows_pb2_grpc import WorkflowServiceStub

from hogsend.errors import ConfigError
from hogsend.kernel.wire_json import dumps
from hogsend.orchestrator.checks import encode_inputs
from hogsend.orchestrator.port import OrchestratorUnavailable, RunRefused, RunRequest

_MAX_RUNS = 1000  # the engine refuses larger bulks
_MAX_BYTES = 3_500_000  # of its 4 MiB message limit
_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.OUT_OF_RANGE,
}
_BAD_TOKEN = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


class EngineClient:
    """One lazily opened gRPC channel, safe to use from several threads.

    The SDK's own client retries for 17 seconds without a deadline; here every call has one
    and the caller (the relay) decides when to try again.
    """

    def __init__(self, config: ClientConfig, *, timeout_seconds: float) -> None:
        self._config = config
        self._timeout = timeout_seconds
        self._metadata = (("authorization", f"bearer {config.token}"),)
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None

    def submit(self, runs: Sequence[RunRequest]) -> None:
        """See Submitter.submit.

        The engine checks a bulk before it accepts any of it. To name a poisoned run the bulk
        is halved, so runs before it may have been accepted when RunRefused is raised; the
        caller submits them again, which delivery at least once allows.
        """
        requests = self._requests(runs)
        for start, chunk in _chunks(requests):
            self._trigger(chunk, start)

    def version(self) -> str:
        """The engine's version; raises OrchestratorUnavailable or ConfigError (bad token)."""
        stub = DispatcherStub(self._open())
        try:
            answer = stub.GetVersion(  # type: ignore[attr-defined]  # missing in their stubs
                GetVersionRequest(), timeout=self._timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise self._unreachable(error) from error
        return str(answer.version)

    def close(self) -> None:
        """Close the channel; idempotent, a later call opens a new one."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _requests(self, runs: Sequence[RunRequest]) -> list[TriggerWorkflowRequest]:
        return [
            TriggerWorkflowRequest(
                name=self._config.apply_namespace(run.task),
                input=text,
                additional_metadata=dumps(dict(run.metadata)),
                priority=int(run.priority),
            )
            for run, text in zip(runs, encode_inputs(runs), strict=True)
        ]

    def _trigger(self, chunk: Sequence[TriggerWorkflowRequest], start: int) -> None:
        refusal = self._call(chunk)
        if refusal is None:
            return
        reason = refusal.details() or "refused"
        offset = _named_in(chunk, reason)
        raise RunRefused(
            f"Hatchet refused a run: {reason}",
            index=start + (self._bisect(chunk) if offset is None else offset),
        )

    def _bisect(self, chunk: Sequence[TriggerWorkflowRequest]) -> int:
        """Position of the first refused run of a chunk that was refused."""
        low, high = 0, len(chunk)
        while high - low > 1:
            middle = (low + high) // 2
            if self._call(chunk[low:middle]) is None:
                low = middle
            else:
                high = middle
        return low

    def _call(self, chunk: Sequence[TriggerWorkflowRequest]) -> grpc.RpcError | None:
        """Trigger all; None when accepted, the error when the engine refuses one of them."""
        stub = WorkflowServiceStub(self._open())
        try:
            stub.BulkTriggerWorkflow(
                BulkTriggerWorkflowRequest(workflows=chunk),
                timeout=self._timeout,
                metadata=self._metadata,
            )
        except grpc.RpcError as error:
            if error.code() in _REFUSALS:
                return error
            raise OrchestratorUnavailable(
                "Hatchet did not accept the runs",
                context={"status": error.code().name, "details": error.details()},
            ) from error
        return None

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                self._channel = _open_channel(self._config)
            return self._channel

    def _unreachable(self, error: grpc.RpcError) -> Exception:
        if error.code() in _BAD_TOKEN:
            return ConfigError(
                "Hatchet refuses the token",
                hint="create a new one and set HATCHET_CLIENT_TOKEN",
                context={"engine": self._config.host_port, "details": error.details()},
            )
        return OrchestratorUnavailable(
            f"Hatchet does not answer at {self._config.host_port}",
            hint="check HATCHET_CLIENT_HOST_PORT and HATCHET_CLIENT_TLS_STRATEGY",
            context={"status": error.code().name, "details": error.details()},
        )


def _open_channel(config: ClientConfig) -> grpc.Channel:
    options: list[tuple[str, str | int]] = [
        ("grpc.max_send_message_length", config.grpc_max_send_message_length),
        ("grpc.max_receive_message_length", config.grpc_max_recv_message_length),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # The default back-off grows to two minutes, longer than most engine restarts.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    credentials = load_channel_credentials(config)
    if credentials is None:
        return grpc.insecure_channel(config.host_port, options=options)
    options.append(("grpc.ssl_target_name_override", config.tls_config.server_name))
    return grpc.secure_channel(config.host_port, credentials, options=options)


def _chunks(
    requests: Sequence[TriggerWorkflowRequest],
) -> Iterator[tuple[int, list[TriggerWorkflowRequest]]]:
    start, size = 0, 0
    chunk: list[TriggerWorkflowRequest] = []
    for index, request in enumerate(requests):
        weight = request.ByteSize() + 8
        if chunk and (len(chunk) == _MAX_RUNS or size + weight > _MAX_BYTES):
            yield start, chunk
            start, size, chunk = index, 0, []
        chunk.append(request)
        size += weight
    if chunk:
        yield start, chunk


def _named_in(chunk: Sequence[TriggerWorkflowRequest], reason: str) -> int | None:
    """The first run whose task the engine says it does not know, None for other reasons."""
    _, found, names = reason.partition("names not found: ")
    if not found:
        return None
    unknown = {name.strip() for name in names.split(",")}
    for index, request in enumerate(chunk):
        if request.name in unknown:
            return index
    return None
