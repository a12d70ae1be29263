"""The gRPC contracts of the SDK, answered from the stub's state."""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Iterator
from typing import Any, Protocol
from uuid import uuid4

import grpc  # type: ignore[import-untyped]  # ships no types
from hatchet_sdk.contracts import dispatcher_pb2 as dispatcher
from hatchet_sdk.contracts import workflows_pb2 as triggers
from hatchet_sdk.contracts.dispatcher_pb2_grpc import (  # type: ignore[attr-defined]
    DispatcherServicer,  # missing in their stubs
)
from hatchet_sdk.contracts.v1 import workflows_pb2 as workflows
from hatchet_sdk.contracts.v1.workflows_pb2_grpc import AdminServiceServicer
from hatchet_sdk.contracts.workflows_pb2_grpc import WorkflowServiceServicer

from tests.fakes.hatchet_engine_state import Refusal, StubRun, StubState, StubWorker, parse_object

_TENANT = "00000000-0000-4000-8000-000000000001"
_VERSION = "v0.114.2"
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")


class Gate(Protocol):
    """The engine's answer to whether a call may pass."""

    state: StubState
    refusal: Refusal | None

    def check(self, context: Any) -> None:
        """Abort the call when the engine plays dead or the token is wrong."""
        ...


class Dispatcher(DispatcherServicer):  # type: ignore[misc]  # untyped base
    """Workers: register, listen, heartbeat, report."""

    def __init__(self, engine: Gate) -> None:
        self._engine = engine

    def GetVersion(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        return dispatcher.GetVersionResponse(version=_VERSION)

    def Register(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        worker = StubWorker(
            id=str(uuid4()),
            name=request.worker_name,
            actions=frozenset(request.actions),
            slots=request.slot_config["default"],
        )
        with self._engine.state.lock:
            self._engine.state.workers[worker.id] = worker
        return dispatcher.WorkerRegisterResponse(
            tenant_id=_TENANT, worker_id=worker.id, worker_name=worker.name
        )

    def ListenV2(self, request: Any, context: Any) -> Iterator[Any]:
        self._engine.check(context)
        state = self._engine.state
        stream: queue.Queue[StubRun | None] = queue.Queue()
        with state.lock:
            worker = state.workers.get(request.worker_id)
            if worker is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "worker not found")
                return
            worker.stream, worker.lost_at = stream, None

        def ended() -> None:
            state.disconnect(request.worker_id, stream)
            stream.put(None)

        if not context.add_callback(ended):
            ended()
        while (run := stream.get()) is not None:
            yield self._action(run)

    def Heartbeat(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        with self._engine.state.lock:
            worker = self._engine.state.workers.get(request.worker_id)
            if worker is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "worker not found")
                return None
            worker.last_heartbeat = time.monotonic()
        return dispatcher.HeartbeatResponse()

    def SendStepActionEvent(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        kind = request.event_type
        if kind in (dispatcher.STEP_EVENT_TYPE_COMPLETED, dispatcher.STEP_EVENT_TYPE_FAILED):
            self._engine.state.settle(
                request.task_run_external_id,
                request.retry_count,
                failed=kind == dispatcher.STEP_EVENT_TYPE_FAILED,
                may_retry=not request.should_not_retry,
            )
        return dispatcher.ActionEventResponse(tenant_id=_TENANT, worker_id=request.worker_id)

    def Unsubscribe(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        self._engine.state.remove_worker(request.worker_id)
        return dispatcher.WorkerUnsubscribeResponse(tenant_id=_TENANT, worker_id=request.worker_id)

    def UpsertWorkerLabels(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        return dispatcher.UpsertWorkerLabelsResponse(tenant_id=_TENANT, worker_id=request.worker_id)

    def _action(self, run: StubRun) -> Any:
        task = self._engine.state.workflows[run.workflow].tasks[0]
        return dispatcher.AssignedAction(
            tenant_id=_TENANT,
            workflow_run_id=run.id,
            job_id=run.id,
            job_name=run.workflow,
            job_run_id=run.id,
            task_id=run.id,
            task_run_external_id=run.id,
            action_id=task.action,
            action_type=dispatcher.START_STEP_RUN,
            action_payload=json.dumps({"input": run.input, "triggered_by": "manual"}),
            task_name=task.readable_id,
            retry_count=run.retry_count,
            additional_metadata=json.dumps(run.metadata),
            priority=run.priority,
        )


class Admin(AdminServiceServicer):
    """Definitions: put workflow."""

    def __init__(self, engine: Gate) -> None:
        self._engine = engine

    def PutWorkflow(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        with self._engine.state.lock:
            self._engine.state.workflows[request.name] = request
        return workflows.CreateWorkflowVersionResponse(id=str(uuid4()), workflow_id=request.name)


class Triggers(WorkflowServiceServicer):
    """Runs: single and bulk; a bulk is checked as a whole before any of it is accepted."""

    def __init__(self, engine: Gate) -> None:
        self._engine = engine

    def TriggerWorkflow(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        return triggers.TriggerWorkflowResponse(workflow_run_id=self._accept([request], context)[0])

    def BulkTriggerWorkflow(self, request: Any, context: Any) -> Any:
        self._engine.check(context)
        if len(request.workflows) > 1000:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "maximum of 1000 workflows")
        return triggers.BulkTriggerWorkflowResponse(
            workflow_run_ids=self._accept(request.workflows, context)
        )

    def _accept(self, requests: Any, context: Any) -> list[str]:
        state = self._engine.state
        with state.lock:
            unknown = sorted({r.name for r in requests if r.name not in state.workflows})
            if unknown:
                names = ", ".join(unknown)
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT, f"workflow names not found: {names}"
                )
            for request in requests:
                self._check_input(request, context)
            return [
                state.add_run(
                    r.name,
                    parse_object(r.input),
                    parse_object(r.additional_metadata),
                    r.priority if r.HasField("priority") else 1,
                )
                for r in requests
            ]

    def _check_input(self, request: Any, context: Any) -> None:
        refusal = self._engine.refusal
        payload = parse_object(request.input)
        if _NUL.search(request.input) or (refusal and refusal(request.name, payload)):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid request: payload")
