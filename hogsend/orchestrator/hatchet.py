"""The Hatchet orchestrator: any number of workers on any number of machines.

Only this module's imports reach the SDK (a second to import); import it where it is needed.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from datetime import timedelta

import structlog
from hatchet_sdk import Hatchet as Sdk

from hogsend.kernel.clock import Clock, SystemClock
from hogsend.orchestrator.hatchet_client import EngineClient
from hogsend.orchestrator.hatchet_config import adopt_sdk_logs, build_config
from hogsend.orchestrator.hatchet_health import ListenerHealth, free_port
from hogsend.orchestrator.hatchet_lean import ListenerContext
from hogsend.orchestrator.hatchet_options import HatchetOptions, find_expiry
from hogsend.orchestrator.hatchet_session import Session, StopFlags
from hogsend.orchestrator.hatchet_tasks import RunningHandlers, declare
from hogsend.orchestrator.port import RunRequest, ServeEnd, ServeHooks, Task
from hogsend.orchestrator.signals import stop_signals

_EXPIRY_WARNING = timedelta(days=14)


class HatchetOrchestrator:
    """Submits to and serves a Hatchet engine over its gRPC contract."""

    name = "hatchet"

    def __init__(self, options: HatchetOptions, *, clock: Clock | None = None) -> None:
        """Connects to nothing; raises ConfigError for options that can never work."""
        options.check()
        self._options = options
        self._clock = clock or SystemClock()
        self._client = EngineClient(
            build_config(options), timeout_seconds=options.submit_timeout.total_seconds()
        )
        self._flags = StopFlags()
        self._session: Session | None = None
        self._log = structlog.get_logger()

    @property
    def address(self) -> str:
        """``host:port`` of the engine."""
        return self._options.address()

    def submit(self, runs: Sequence[RunRequest]) -> None:
        """See Submitter.submit and EngineClient.submit."""
        self._client.submit(runs)

    def serve(self, tasks: Sequence[Task], hooks: ServeHooks) -> ServeEnd:
        """See Orchestrator.serve; hooks are called on a thread that looks after the worker.

        Must run on the main thread of a process without children of its own: the SDK's
        listener is a spawned child, and what is left of it is ended before this returns.
        """
        adopt_sdk_logs()
        version = self._client.version()
        self._log.info("engine.found", address=self.address, version=version)
        self._warn_of_expiry()
        options = self._options
        running = RunningHandlers()
        port = options.health_port or free_port()
        self._session = session = Session(
            flags=self._flags,
            hooks=hooks,
            health=ListenerHealth(port),
            running=running,
            drain_timeout=options.drain_timeout,
            engine_lost_after=options.engine_lost_after,
        )
        sdk = Sdk(config=build_config(options, health_port=port))
        workflows = declare(sdk, tasks, running)
        quit_handler = signal.getsignal(signal.SIGQUIT)
        with stop_signals(self._flags.on_signal):
            worker = sdk.worker(
                options.worker_name,
                slots=options.slots,
                workflows=workflows,
                lifespan=session.lifespan,
            )
            # Private to the SDK; its version is locked, and a test looks at the child.
            worker._ctx = ListenerContext()
            signal.signal(signal.SIGQUIT, quit_handler)
            with stop_signals(self._flags.on_signal):  # the SDK has just set its own
                return session.run(worker)

    def _warn_of_expiry(self) -> None:
        """An expired token stops everything at once; a start is the moment to be told."""
        expiry = find_expiry(self._options.token)
        if expiry is not None and expiry - self._clock.now() < _EXPIRY_WARNING:
            self._log.warning(
                "engine.token_expires",
                expires_at=expiry.isoformat(),
                hint="create a new token and set HATCHET_CLIENT_TOKEN",
            )

    def request_stop(self) -> None:
        """See Orchestrator.request_stop."""
        self._flags.is_stop_requested = True

    def is_healthy(self) -> bool:
        """True while the engine hears our heartbeats."""
        return self._session is not None and self._session.is_healthy

    def close(self) -> None:
        """Close the submitting channel; idempotent."""
        self._client.close()
