"""A TCP load balancer that asks its backends whether they are ready, as the ones in use do."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
from contextlib import suppress

_PROBE_SECONDS = 0.1
_READY = "/v1/health/ready"


class Balancer:
    """Round robin over the ready backends on loopback ports.

    A connection stays with its backend; one that a backend refuses goes to the next. Nothing that
    a client sent is ever sent again.
    """

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._server.getsockname()[1]
        self._ready: dict[int, bool] = {}
        self._turns = itertools.count()
        self._stopping = threading.Event()
        for target in (self._accept, self._probe):
            threading.Thread(target=target, name="balancer", daemon=True).start()

    def add(self, port: int) -> None:
        """A backend; it gets nothing before it says that it is ready."""
        self._ready[port] = False

    def remove(self, port: int) -> None:
        """Forget a backend."""
        self._ready.pop(port, None)

    def is_ready(self, port: int) -> bool:
        """As of the last probe."""
        return self._ready.get(port, False)

    def close(self) -> None:
        """Stop for good."""
        self._stopping.set()
        self._server.close()

    def _probe(self) -> None:
        while not self._stopping.wait(_PROBE_SECONDS):
            for port in list(self._ready):
                is_ready = _ask(port)
                if port in self._ready:
                    self._ready[port] = is_ready

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            backend = self._connect()
            if backend is None:
                client.close()
                continue
            threading.Thread(target=_join, args=(client, backend), daemon=True).start()

    def _connect(self) -> socket.socket | None:
        ports = [port for port, is_ready in list(self._ready.items()) if is_ready]
        turn = next(self._turns)
        for offset in range(len(ports)):
            try:
                return socket.create_connection(
                    ("127.0.0.1", ports[(turn + offset) % len(ports)]), timeout=5
                )
            except OSError:
                continue
        return None


def _ask(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", _READY)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _join(client: socket.socket, backend: socket.socket) -> None:
    """Carry both directions until both have ended."""
    with client, backend:
        answers = threading.Thread(target=_pipe, args=(backend, client), daemon=True)
        answers.start()
        _pipe(client, backend)
        answers.join()


def _pipe(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(None)
    target.settimeout(None)
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        source.shutdown(socket.SHUT_RD)
