"""The first argument decides what this process is; only that part is imported.

Nothing but the standard library is imported before the Python version is known to fit.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

MODES = ("api", "worker", "migrate", "supervisor")
MINIMUM = (3, 11)
# Written into the archive by the build: native modules fit one Python version only.
BUILT_FOR = "_built_for"
_HELP = {
    "api": "Serves HTTP on PORT until told to stop (SIGTERM, SIGINT).",
    "worker": "Runs journeys until told to stop (SIGTERM, SIGINT).",
}


def main(argv: list[str] | None = None) -> int:
    """Run a mode or a command; returns the exit code.

    0 is success, 1 failure (explained on standard error), 2 wrong usage, 130 interrupted.
    """
    complaint = _find_wrong_python()
    if complaint is not None:
        sys.stderr.write(f"error: {complaint}\n")
        return 1
    arguments = sys.argv[1:] if argv is None else argv
    from hogsend.errors import HogsendError

    try:
        return _dispatch(arguments)
    except HogsendError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _run(mode: str, arguments: list[str], environ: Mapping[str, str]) -> int:
    import importlib

    from hogsend.modes.early_stop import StoppedEarly, stop_early

    stop_early()
    try:
        return int(importlib.import_module(f"hogsend.modes.{mode}").main(arguments, environ))
    except StoppedEarly:
        # Nothing was cut off, except a migration.
        return 1 if mode == "migrate" else 0


def _dispatch(arguments: list[str]) -> int:
    import os

    if arguments and arguments[0] in MODES:
        mode, rest = arguments[0], arguments[1:]
        if mode in _HELP and rest in (["-h"], ["--help"]):
            sys.stdout.write(
                f"usage: hogsend {mode}\n\n{_HELP[mode]}\n"
                f"Settings: docs/environment.md, checked by `hogsend config check --mode {mode}`.\n"
            )
            return 0
        return _run(mode, rest, os.environ)
    if arguments == ["--version"]:
        from hogsend import __version__

        sys.stdout.write(f"hogsend {__version__}\n")
        return 0
    from hogsend.cli.main import run

    return run(arguments, os.environ)


def _find_wrong_python() -> str | None:
    running = tuple(sys.version_info[:2])
    if running < MINIMUM:
        return f"Hogsend needs Python {_dotted(MINIMUM)} or newer; this is {_dotted(running)}"
    built_for = _read_built_for()
    if built_for is not None and built_for != _dotted(running):
        return (
            f"this hogsend.pyz was built for Python {built_for}; this is {_dotted(running)}. "
            f"Run it with python{built_for}, or build one with python{_dotted(running)}"
        )
    return None


def _read_built_for() -> str | None:
    import pkgutil

    try:
        found = pkgutil.get_data("hogsend", BUILT_FOR)
    except OSError:
        return None
    return found.decode().strip() if found else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _complain(text: str) -> None:
    for line in text.splitlines():
        sys.stderr.write(f"error: {line.strip()}\n")
