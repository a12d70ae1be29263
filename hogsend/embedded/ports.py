"""Loopback ports for servers."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

_LOWEST = 20_000
_TRIES = 100
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST_OUTGOING = 32_768


def is_free(port: int) -> bool:
    """True when a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def find_free_port() -> int:
    """A free loopback port below those the kernel gives to outgoing connections.

    A client that keeps trying a dead server may be given the very port it tries as its own; it is
    then connected to itself, and the server cannot come back (TCP simultaneous open).
    """
    candidates = range(_LOWEST, _first_outgoing())
    chance = secrets.SystemRandom()
    for port in chance.sample(candidates, min(_TRIES, len(candidates))):
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_outgoing() -> int:
    try:
        return int(_OUTGOING.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_FIRST_OUTGOING
