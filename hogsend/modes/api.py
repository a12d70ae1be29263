"""Api mode: HTTP on ``PORT``, one or several processes on one socket.

Exit codes: 0 after a clean stop, 1 when the environment, the schema or the port forbid to start
or requests had to be cut off.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from hogsend import settings as environment
from hogsend.access.bootstrap import ensure_first_admin, ensure_first_api_key
from hogsend.db import Database
from hogsend.db.schema_version import SchemaStatus
from hogsend.errors import HogsendError
from hogsend.modes.graceful_stop import GracefulStop
from hogsend.ops.boot_guard import check_schema
from hogsend.ops.health import API_VERSION, Health
from hogsend.settings import Settings
from hogsend.telemetry import logging
from hogsend.web.app import WebOptions, build_app
from hogsend.web.edge import RequestObserver, RequestTracer
from hogsend.web.processes import ProcessGroup
from hogsend.web.route import PrefixGuard, Route
from hogsend.web.server import HttpServer, ServerOptions
from hogsend.web.sockets import inherited_socket, open_socket

READY = "Hogsend API ready"
CLOSED = "Server closed"
_BATCHING_THREADS = 32
_HELP = """usage: hogsend api

Serves HTTP until told to stop (SIGTERM, SIGINT). Settings: docs/environment.md
"""


class ApiContainer(Protocol):
    """What the api mode needs of the composition root."""

    @property
    def settings(self) -> Settings:
        """The settings it was built from."""
        ...

    @property
    def db(self) -> Database:
        """The pool."""
        ...

    @property
    def health(self) -> Health:
        """Told to drain before the server stops."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """Every route of every slice."""
        ...

    @property
    def prefix_guards(self) -> Sequence[PrefixGuard]:
        """Guards of unknown paths."""
        ...

    @property
    def ready_fields(self) -> Mapping[str, object]:
        """Counts and versions for the ready line."""
        ...

    @property
    def observe_request(self) -> RequestObserver | None:
        """Told about every request, if somebody counts."""
        ...

    @property
    def tracer(self) -> RequestTracer | None:
        """Makes spans of requests, if somebody collects them."""
        ...

    def start_metrics(self) -> None:
        """Serve metrics, if wanted."""
        ...

    def read_schema(self) -> SchemaStatus:
        """Both migration tracks; raises DatabaseError."""
        ...

    def close(self) -> None:
        """Close everything; idempotent."""
        ...


Build = Callable[[Settings], ApiContainer]


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Boot, serve, stop; returns the exit code. Raises ConfigError for a bad environment."""
    if argv:
        sys.stdout.write(_HELP)
        return 0 if argv[0] in ("-h", "--help") else 2
    settings = environment.load(environ, mode="api")
    logging.configure(settings, mode="api")
    for warning in settings.warnings():
        structlog.get_logger().warning(warning)
    return run(settings, _compose)


def run(settings: Settings, build: Build) -> int:
    """Everything after the environment is known: guard, bootstrap, listen, serve."""
    container = build(settings)
    try:
        if not _may_start(container):
            return 1
        _bootstrap(container)
        # A process manager that hands us a socket also decides how many of us there are.
        inherited = inherited_socket()
        count = 1 if inherited else settings.api_processes or os.cpu_count() or 1
        try:
            sock = inherited or open_socket(settings.port)
        except OSError as error:
            structlog.get_logger().error("port.taken", port=settings.port, error=str(error))
            return 1
        with sock:
            if count == 1:
                return _serve(container, sock)
            # Children build their own: no connection and no thread survives a fork.
            container.close()
            return _serve_many(settings, build, sock, count)
    finally:
        container.close()


def _compose(settings: Settings) -> ApiContainer:
    from hogsend.container import api as composition

    return composition.build_api(settings)


def _may_start(container: ApiContainer) -> bool:
    settings = container.settings
    if settings.skip_schema_check:
        return True
    refusal = check_schema(container.read_schema, wait_seconds=settings.database_wait_seconds)
    return refusal is None


def _bootstrap(container: ApiContainer) -> None:
    settings = container.settings
    ensure_first_admin(
        container.db, email=settings.studio_admin_email, password=settings.studio_admin_password
    )
    ensure_first_api_key(container.db, is_enabled=settings.bootstrap_api_key)


def _serve_many(settings: Settings, build: Build, sock: socket.socket, count: int) -> int:
    parent = os.getpid()

    def serve() -> int:
        container = build(settings)
        try:
            # Without the parent nobody would stop us.
            return _serve(container, sock, is_wanted=lambda: os.getppid() == parent)
        finally:
            container.close()

    return ProcessGroup(
        count=count,
        serve=serve,
        shutdown_seconds=settings.drain_seconds + settings.shutdown_timeout_seconds,
    ).run()


def _serve(
    container: ApiContainer,
    sock: socket.socket,
    *,
    is_wanted: Callable[[], bool] = lambda: True,
) -> int:
    log = structlog.get_logger()
    settings = container.settings
    app = build_app(
        container.routes,
        options=WebOptions(
            max_body_bytes=settings.body_limit_bytes,
            trusted_proxies=settings.trusted_proxies,
            is_access_logged=settings.log_level in ("http", "debug"),
            observe_request=container.observe_request,
            tracer=container.tracer,
        ),
        prefix_guards=container.prefix_guards,
    )
    server = HttpServer(
        app,
        [sock],
        options=ServerOptions(
            threads=_count_threads(settings),
            max_body_bytes=settings.body_limit_bytes,
            shutdown_seconds=settings.shutdown_timeout_seconds,
        ),
    )
    stop = GracefulStop(server, container.health, drain_seconds=settings.drain_seconds)

    def on_signal(number: int, frame: object) -> None:
        stop.request(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    container.start_metrics()
    _warm(container)
    log.info(
        READY,
        apiVersion=API_VERSION,
        port=server.port,
        url=settings.api_public_url,
        **container.ready_fields,
    )
    is_clean = server.run(
        is_wanted=is_wanted,
        on_stop=lambda: log.info(f"{stop.reason} received, shutting down gracefully"),
    )
    if not is_clean:
        log.error("requests.cut_off", seconds=settings.shutdown_timeout_seconds)
        return 1
    log.info(CLOSED)
    return 0


def _count_threads(settings: Settings) -> int:
    """Threads that wait for their batch cost nothing, and their number bounds the batch.

    Measured with 64 connections on a busy two-core machine: batching with 8 threads stores half
    of what single statements do, with 32 half as much again (CPU per event down by 40 %).
    """
    if settings.ingest_batch:
        return max(settings.api_threads, _BATCHING_THREADS)
    return settings.api_threads


def _warm(container: ApiContainer) -> None:
    """Open connections before the first request pays for it; and collect no boot garbage."""
    try:
        container.db.warm(min(container.settings.api_threads, container.settings.database_pool_max))
    except HogsendError as error:
        structlog.get_logger().warning("database.not_warmed", error=error.message)
    gc.collect()
    gc.freeze()
