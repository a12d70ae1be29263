"""Asks the listener child whether the engine is there."""

from __future__ import annotations

import http
import http.client
import socket

_TIMEOUT_SECONDS = 2.0


class ListenerHealth:
    """The child's ``/health`` on loopback: 200 while it is registered and heartbeats succeed.

    The SDK never gives up on a lost engine by itself, and a wiped engine leaves it attached to
    a worker id nobody knows; its own health answer is the one place that shows both.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def is_ok(self) -> bool:
        """One request; False for any answer but 200, or none."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    """A loopback port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
