"""Supervisor mode: everything one machine needs, in one command.

Exit codes: 0 after a clean stop, 1 when the environment is wrong, the port or the data directory
is taken, the migration failed, or a program could not be kept running.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from hogsend import __version__
from hogsend import settings as environment
from hogsend.embedded.data_directory import locate
from hogsend.errors import ConfigError
from hogsend.settings import Settings
from hogsend.supervise.banner import render, take_first_run
from hogsend.supervise.instance import announce, only_supervisor
from hogsend.supervise.plan import API, WORKER, make_plan
from hogsend.supervise.ready import ReadyWatch
from hogsend.supervise.relay import Relay
from hogsend.web.sockets import open_socket

_BOOT = "--boot"
_MARGIN_SECONDS = 10
_HELP = """usage: hogsend supervisor

Runs everything on one machine until told to stop (SIGTERM, SIGINT): migrates the database, then
runs api and worker and restarts them when they die. What the environment does not provide is
embedded and kept below HOGSEND_DATA_DIR: PostgreSQL, Valkey, a secret, a mail outbox, the engine,
a first administrator and a first API key.

Settings: docs/environment.md, checked by `hogsend config check --mode supervisor`.
"""


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Prepare, run, stop; returns the exit code. Raises ConfigError for a bad environment."""
    if list(argv) == [_BOOT]:
        # Not for people: the migrate program of supervisord.conf.
        from hogsend.supervise import boot

        return boot.main(environ)
    if argv:
        sys.stdout.write(_HELP)
        return 0 if argv[0] in ("-h", "--help") else 2
    settings = environment.load(environ, mode="supervisor")
    _require_supervisor()
    # As PID 1 a signal without a handler is ignored; later supervisord installs its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    data_dir = locate(settings.data_dir, is_chosen=settings.is_set("HOGSEND_DATA_DIR"))
    patience = 2 * (settings.drain_seconds + settings.shutdown_timeout_seconds + _MARGIN_SECONDS)
    try:
        with (
            only_supervisor(data_dir, wait_seconds=patience) as programs,
            _listen(settings.port) as sock,
        ):
            return _run(settings, environ, data_dir, sock=sock, programs=programs)
    except _Left:
        return 0


def _run(
    settings: Settings,
    environ: Mapping[str, str],
    data_dir: Path,
    *,
    sock: socket.socket,
    programs: Path,
) -> int:
    from hogsend.supervise.daemon import run

    is_json = _is_json(settings)
    log_format = "json" if is_json else "console"
    plan = make_plan(settings, {**environ, "LOG_FORMAT": log_format}, data_dir)

    def on_ready() -> None:
        relay.write_plain(render(plan, take_first_run(data_dir), version=__version__))
        # Last: whoever waits for this file finds everything else done.
        announce(plan)

    ready = ReadyWatch(
        [WORKER, *(f"{API}-{number + 1}" for number in range(plan.api_processes))],
        is_quiet=settings.log_level in ("error", "warn"),
        on_ready=on_ready,
    )
    relay = Relay(sys.stdout.buffer, is_json=is_json, on_line=ready.on_line)
    for warning in settings.warnings():
        relay.say(warning, level="warning")
    for name, what in plan.embedded:
        relay.say(f"no {name}: {what}")
    return run(plan, sock=sock, relay=relay, programs=programs, ready=ready)


def _is_json(settings: Settings) -> bool:
    return settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stdout.isatty()
    )


def _listen(port: int) -> socket.socket:
    try:
        return open_socket(port)
    except OSError as error:
        raise ConfigError(
            f"port {port} cannot be used: {error.strerror or error}",
            code="port_in_use",
            hint="stop what listens there, or set PORT to a free port",
        ) from error


def _require_supervisor() -> None:
    from importlib.util import find_spec

    if find_spec("supervisor") is None:
        raise ConfigError(
            "supervisor mode needs the package supervisor, which is not installed",
            code="supervisor_missing",
            hint="install it, or run api and worker under your own process manager",
        )


class _Left(BaseException):
    """Told to stop before anything was running."""


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Left
