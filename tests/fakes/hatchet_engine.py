"""A stub Hatchet engine that speaks the SDK's own gRPC contracts.

It exists so that every test run exercises the real SDK; that Hatchet itself works is shown
only by the same suite on a real engine. As a script it serves until it is killed:
``python -m tests.fakes.hatchet_engine --port 7077`` prints the environment of a client.
"""

from __future__ import annotations

import argparse
import base64
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types
from hatchet_sdk.contracts.dispatcher_pb2_grpc import (  # type: ignore[attr-defined]
    add_DispatcherServicer_to_server,  # missing in their stubs
)
from hatchet_sdk.contracts.v1.workflows_pb2_grpc import add_AdminServiceServicer_to_server
from hatchet_sdk.contracts.workflows_pb2_grpc import add_WorkflowServiceServicer_to_server

from hogsend.embedded.ports import find_free_port
from tests.fakes.hatchet_engine_services import Admin, Dispatcher, Triggers
from tests.fakes.hatchet_engine_state import Refusal, StubRun, StubState

_MAX_THREADS = 64
_OPTIONS = [  # the SDK pings every ten seconds, which a server calls a flood unless told
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
]


class StubEngine:
    """Serves on loopback; every control may be used while workers are connected."""

    def __init__(self, *, port: int = 0, reassign_after: float = 1.0) -> None:
        self.state = StubState(reassign_after=reassign_after)
        self.refusal: Refusal | None = None
        self._refuse_until = 0.0
        self._rest = _RestServer(self)
        self.port = port or find_free_port()
        self._server: Any = None
        self.start()
        self.token = make_token(f"127.0.0.1:{self.port}", self._rest.url)

    @property
    def environ(self) -> dict[str, str]:
        """What a client of this engine needs in its environment."""
        return {
            "HATCHET_CLIENT_TOKEN": self.token,
            "HATCHET_CLIENT_HOST_PORT": f"127.0.0.1:{self.port}",
            "HATCHET_CLIENT_TLS_STRATEGY": "none",
        }

    def start(self) -> None:
        """Listen (again, on the same port); what was stored is still there."""
        self._server = grpc.server(ThreadPoolExecutor(_MAX_THREADS), options=_OPTIONS)
        add_DispatcherServicer_to_server(Dispatcher(self), self._server)
        add_AdminServiceServicer_to_server(Admin(self), self._server)  # type: ignore[no-untyped-call]
        add_WorkflowServiceServicer_to_server(Triggers(self), self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        """Drop every connection and refuse new ones."""
        self._server.stop(grace=0).wait(timeout=5)

    def drop_connections(self) -> None:
        """Break every stream; clients may come back at once."""
        self.stop()
        self.start()

    def refuse_for(self, seconds: float) -> None:
        """Answer UNAVAILABLE to every new call for a while; open streams stay."""
        self._refuse_until = time.monotonic() + seconds

    def deliver_twice(self, runs: int) -> None:
        """Send each of the next ``runs`` assignments twice."""
        with self.state.lock:
            self.state.extra_deliveries = runs

    def lose_workers(self) -> None:
        """Forget every worker, as a wiped engine would; their runs go to others."""
        with self.state.lock:
            for worker_id in list(self.state.workers):
                stream = self.state.workers[worker_id].stream
                self.state.remove_worker(worker_id)
                if stream is not None:
                    stream.put(None)

    def refuse_inputs(self, refusal: Callable[[str, dict[str, Any]], bool]) -> None:
        """Refuse every bulk with a run for which ``refusal(workflow, input)`` holds."""
        self.refusal = refusal

    def fire_cron(self, workflow: str) -> str:
        """One tick of a workflow that has a cron; returns the run's id."""
        with self.state.lock:
            declared = self.state.workflows[workflow]
            assert declared.cron_triggers, f"{workflow} has no cron"
            return self.state.add_run(workflow, {}, {"hatchet__cron": "1"}, 1)

    def runs(self) -> list[StubRun]:
        """Every run ever accepted, in order of acceptance."""
        with self.state.lock:
            return list(self.state.runs.values())

    def check(self, context: Any) -> None:
        """Abort calls while refusing, and calls without the token."""
        if time.monotonic() < self._refuse_until:
            context.abort(grpc.StatusCode.UNAVAILABLE, "refused by the test")
        given = dict(context.invocation_metadata()).get("authorization", "")
        if given != f"bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid token")

    def close(self) -> None:
        """Stop everything."""
        self.stop()
        self._rest.close()
        self.state.close()


class _RestServer:
    """The one REST route a leaving worker calls: pause."""

    def __init__(self, engine: StubEngine) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_PATCH(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                worker_id = self.path.rpartition("/")[2]
                with engine.state.lock:
                    worker = engine.state.workers.get(worker_id)
                    if worker is not None:
                        worker.is_paused = True
                instant = "2026-01-01T00:00:00Z"
                meta = {"id": worker_id, "createdAt": instant, "updatedAt": instant}
                body = json.dumps({"metadata": meta, "name": "stub", "type": "SELFHOSTED"}).encode()
                self.send_response(200 if worker is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def make_token(host_port: str, server_url: str) -> str:
    """An unsigned token with the claims the SDK reads."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {
        "sub": "00000000-0000-4000-8000-000000000001",
        "server_url": server_url,
        "grpc_broadcast_address": host_port,
    }
    return f"{part({'alg': 'none'})}.{part(claims)}.stub"


def main() -> None:
    """Serve until killed; prints ``export`` lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    engine = StubEngine(port=parser.parse_args().port)
    for name, value in engine.environ.items():
        print(f"export {name}={value}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
