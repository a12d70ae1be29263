"""Worker mode: runs journeys, ships the outbox, moves due waits; no port.

Exit codes: 0 after a clean drain, 1 when the drain was forced, the engine was lost for too
long, the database stayed behind or was replaced by a copy, or start-up failed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence

import structlog

from hogsend import settings as environment
from hogsend.container import worker as composition
from hogsend.container.worker import WorkerContainer
from hogsend.errors import HogsendError
from hogsend.modes.early_stop import ignore_stop
from hogsend.modes.watchdog import Watchdog
from hogsend.ops.boot_guard import check_schema
from hogsend.orchestrator.port import ServeEnd, ServeHooks
from hogsend.orchestrator.signals import stop_signals
from hogsend.telemetry import logging

STARTING = "Hogsend worker starting"
READY = "Hogsend worker ready"
STOPPED = "Worker stopped"
_HELP = """usage: hogsend worker

Runs journeys until told to stop (SIGTERM, SIGINT). Settings: docs/environment.md
"""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Boot, serve, drain; returns the exit code."""
    if argv:
        sys.stdout.write(_HELP)
        return 0 if argv[0] in ("-h", "--help") else 2
    settings = environment.load(environ, mode="worker")
    logging.configure(settings, mode="worker")
    for warning in settings.warnings():
        structlog.get_logger().warning(warning)
    container = composition.build_worker(settings)
    try:
        return _serve(container)
    finally:
        ignore_stop()
        container.close()


def _serve(container: WorkerContainer) -> int:
    log = structlog.get_logger()
    settings = container.settings
    log.info(
        STARTING,
        hatchet=container.orchestrator.address,
        journeys=list(container.journeys.registry.ids),
    )
    if not settings.skip_schema_check and check_schema(
        container.read_schema,
        wait_seconds=settings.database_wait_seconds,
        waits_for_migration=True,
    ):
        return 1
    if not _is_at_home(container):
        log.info(STOPPED, end=ServeEnd.STOPPED.value)
        return 0
    watchdog = Watchdog(
        container.orchestrator,
        threads=(container.relay, container.journeys.timer),
        limit_seconds=settings.engine_lost_seconds,
        drain_seconds=settings.shutdown_timeout_seconds,
    )
    try:
        end = container.orchestrator.serve(container.tasks, _hooks(container, watchdog))
    except HogsendError as error:
        log.error("Worker failed to start:", error=str(error), code=error.code)
        return 1
    finally:
        watchdog.stop()
        container.stop_shipping()
    log.info(STOPPED, end=end.value)
    is_clean = not (watchdog.has_fired or container.fence.has_moved)
    return 0 if end is ServeEnd.STOPPED and is_clean else 1


def _is_at_home(container: WorkerContainer) -> bool:
    """On a copy of the database wait, alive but unknown to the engine, until it is accepted.

    False when told to stop first.
    """
    stopping = threading.Event()
    with stop_signals(stopping.set):
        # Beating already: an operator must see that somebody is there.
        is_at_home = container.fence.wait(stopping, on_copy=container.heartbeat.start)
    if not is_at_home:
        container.heartbeat.stop()
    container.fence.watch(container.orchestrator.request_stop)
    return is_at_home


def _hooks(container: WorkerContainer, watchdog: Watchdog) -> ServeHooks:
    log = structlog.get_logger()

    def on_ready() -> None:
        container.start_shipping()
        watchdog.start()
        log.info(
            READY,
            engineVersion=container.version,
            hatchet=container.orchestrator.address,
            namespace=container.settings.hatchet_client_namespace or None,
            journeyTasks=len(container.journeys.tasks),
            bucketTasks=0,
            bucketReactionTasks=0,
            builtinTasks=len(container.builtin_tasks),
        )

    def on_stopping() -> None:
        log.info("shutting down worker")
        watchdog.stop()  # threads that end from now on were told to
        container.request_stop_shipping()

    return ServeHooks(on_ready=on_ready, on_stopping=on_stopping)
