"""Listening sockets: opened here or handed down by a process manager.

Apart from the server, because supervisor mode opens a socket and serves nothing.
"""

from __future__ import annotations

import os
import socket


def open_socket(port: int) -> socket.socket:
    """A listening socket on every address, IPv6 and IPv4 at once where the system has both.

    Port 0 takes a free one. Raises OSError when the port is taken.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=2048, dualstack_ipv6=True
            )
    except OSError:
        # IPv6 compiled in but switched off; a taken port fails again below.
        pass
    return socket.create_server(("", port), backlog=2048)


def inherited_socket() -> socket.socket | None:
    """The listening socket a process manager handed down, or None.

    supervisord (``fcgi-program``), inetd and systemd (``StandardInput=socket``) pass it as
    descriptor 0, systemd's socket activation otherwise as 3 (sd_listen_fds(3)).
    """
    for descriptor in (*_activated(), 0):
        found = _listening(descriptor)
        if found is not None:
            return found
    return None


def _activated() -> range:
    """Descriptors of socket activation that are meant for this process."""
    pid, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS", "")
    is_ours = pid == str(os.getpid()) and count.isdigit()
    return range(3, 3 + int(count)) if is_ours else range(0)


def _listening(descriptor: int) -> socket.socket | None:
    try:
        sock = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return None
    try:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return sock
    except OSError:
        pass
    sock.close()
    return None
