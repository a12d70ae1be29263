"""One stream for everybody's log lines: complete lines, each with its program's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

_WIDTH = 10


class Relay:
    """Writes what programs print, line by line, and tells ``on_line`` about each line.

    In JSON form a program's JSON line stays as it is, any other text is wrapped; in console form
    every line gets the program's name in front. A reader that went away stops nothing.
    """

    def __init__(
        self,
        output: BinaryIO,
        *,
        is_json: bool,
        on_line: Callable[[str, bytes], None] = lambda program, line: None,
    ) -> None:
        self._output = output
        self._is_json = is_json
        self._on_line = on_line
        self._partial: dict[str, bytes] = {}

    def feed(self, program: str, data: bytes) -> None:
        """Take what a program printed, cut anywhere."""
        *lines, rest = (self._partial.pop(program, b"") + data).split(b"\n")
        if rest:
            self._partial[program] = rest
        for line in lines:
            self._emit(program, line)

    def end(self, program: str) -> None:
        """The program is gone: its unfinished line is its last."""
        line = self._partial.pop(program, b"")
        if line:
            self._emit(program, line)

    def say(self, text: str, *, level: str = "info") -> None:
        """A line of the supervisor's own."""
        self._write(self._format("supervisor", text.encode(), level=level))

    def write_plain(self, text: str) -> None:
        """Text for people, as it is."""
        self._write(text.encode())

    def _emit(self, program: str, line: bytes) -> None:
        if line.strip():
            self._write(self._format(program, line.rstrip(b"\r")))
        self._on_line(program, line)

    def _format(self, program: str, line: bytes, *, level: str = "info") -> bytes:
        if not self._is_json:
            return program.encode().ljust(_WIDTH) + b"| " + line + b"\n"
        if line.startswith(b"{"):
            return line + b"\n"
        wrapped = {
            "timestamp": datetime.now(UTC).isoformat(),
            "level": level,
            "mode": "supervisor",
            "program": program,
            "event": line.decode(errors="replace"),
        }
        return json.dumps(wrapped, ensure_ascii=False).encode() + b"\n"

    def _write(self, data: bytes) -> None:
        try:
            self._output.write(data)
            self._output.flush()
        except OSError:
            # A closed pipe or a full disk behind it must not take mail down.
            return


class SupervisorLog:
    """The logger that supervisord expects, on the relay."""

    handlers: tuple[object, ...] = ()

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def log(self, level: int, message: str, **values: object) -> None:
        """Levels as in supervisor.loggers: 20 is info, higher is worse."""
        if level >= 40:
            self.error(message, **values)
        elif level >= 20:
            self.info(message, **values)

    def trace(self, message: str, **values: object) -> None:
        """Of no interest."""

    def blather(self, message: str, **values: object) -> None:
        """Of no interest."""

    def debug(self, message: str, **values: object) -> None:
        """Of no interest."""

    def info(self, message: str, **values: object) -> None:
        """Starts and stops of programs."""
        self._relay.say(_fill(message, values))

    def warn(self, message: str, **values: object) -> None:
        """Signals, programs killed."""
        self._relay.say(_fill(message, values), level="warning")

    def error(self, message: str, **values: object) -> None:
        """Something did not work."""
        self._relay.say(_fill(message, values), level="error")

    def critical(self, message: str, **values: object) -> None:
        """Something did not work."""
        self._relay.say(_fill(message, values), level="critical")

    def reopen(self) -> None:
        """There is no file."""

    def close(self) -> None:
        """There is no file."""


def _fill(message: str, values: dict[str, object]) -> str:
    return message % values if values else message
