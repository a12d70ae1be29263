"""The HTTP server process: waitress with a bounded, graceful stop."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from hogsend.web.channel import Channel, serving_channel
from hogsend.web.loop import SocketLoop
from hogsend.web.workers import Workers

_LOOP_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 72
_CLEANUP_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """``threads`` is also the number of database connections the process uses at once."""

    threads: int = 8
    max_body_bytes: int = 1024 * 1024
    connection_limit: int = 1000
    shutdown_seconds: float = 10.0


class _Listener(TcpWSGIServer):
    channel_class = Channel
    active_channels: Any
    effective_port: Any
    socket: Any
    trigger: Any
    loop: SocketLoop
    is_draining = False

    def pull_trigger(self) -> None:
        """Wake the loop, unless a worker is done and leaves it nothing to do."""
        channel = serving_channel()
        if channel is not None:
            if not channel.needs_loop:
                return
            self.loop.note(channel._fileno)
        super().pull_trigger()

    def maintenance(self, now: Any) -> None:
        """Close connections that idle, trickle a request or linger too long."""
        for channel in list(self.active_channels.values()):
            if channel.is_trickling(now):
                channel.will_close = True
            if channel.is_linger_over(now):
                channel.close_now()
        super().maintenance(now)


class HttpServer:
    """Serves a WSGI application on sockets that are already listening.

    ``run`` blocks the calling thread; ``stop`` may be called from a signal handler or another
    thread, any number of times.
    """

    def __init__(
        self, app: Callable[..., Any], sockets: list[socket.socket], *, options: ServerOptions
    ) -> None:
        # One warning per queued request costs CPU exactly when there is none to spare.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._options = options
        self._loop = SocketLoop()
        self._stopping = False
        self._dispatcher = Workers()
        self._dispatcher.set_thread_count(options.threads)
        self._listeners = [self._listener(app, sock) for sock in sockets]

    def _listener(self, app: Callable[..., Any], sock: socket.socket) -> _Listener:
        adjustments = Adjustments(
            sockets=[sock],
            threads=self._options.threads,
            backlog=2048,
            connection_limit=self._options.connection_limit,
            channel_timeout=_KEEP_ALIVE_SECONDS,
            cleanup_interval=_CLEANUP_SECONDS,
            # waitress refuses a body of exactly this size
            max_request_body_size=self._options.max_body_bytes + 1,
            max_request_header_size=32 * 1024,
            asyncore_use_poll=True,
            ident=None,
            # X-Forwarded-For is judged by web.proxies, with the socket's address at hand
            clear_untrusted_proxy_headers=False,
        )
        listener = _Listener(
            app,
            self._loop.map,
            True,
            sock,
            dispatcher=cast(Any, self._dispatcher),
            adj=adjustments,
            bind_socket=False,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
        )
        listener.loop = self._loop
        return listener

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return int(self._listeners[0].effective_port)

    def run(
        self,
        *,
        is_wanted: Callable[[], bool] = lambda: True,
        on_stop: Callable[[], None] = lambda: None,
    ) -> bool:
        """Serve until ``stop``; True when every request in flight was answered in time.

        ``is_wanted`` is asked at least once a second and ends the service when False;
        ``on_stop`` is called before the draining begins.
        """
        while not self._stopping and is_wanted():
            self._loop.turn(_LOOP_SECONDS)
        on_stop()
        return self._drain()

    def announce_stop(self) -> None:
        """Go on serving, but ask clients after every answer not to come back on this connection."""
        for listener in self._listeners:
            listener.is_draining = True

    def stop(self) -> None:
        """Stop accepting and let ``run`` finish what is in flight."""
        self._stopping = True
        for listener in self._listeners:
            listener.pull_trigger()

    def _drain(self) -> bool:
        deadline = time.monotonic() + self._options.shutdown_seconds
        for listener in self._listeners:
            listener.is_draining = True
            listener.accepting = False
            # Connections in the backlog belong to whoever shares the socket, or are refused.
            wasyncore.dispatcher.del_channel(listener)
            listener.socket.close()
        self._loop.turn(0)
        while time.monotonic() < deadline:
            open_channels = self._channels()
            for channel in open_channels:
                if channel.is_idle():
                    channel.close_now()
            if not self._channels():
                break
            self._loop.turn(0.05)
        is_clean = not self._channels()
        for channel in self._channels():
            channel.close_now()
        self._dispatcher.shutdown(timeout=1 if is_clean else 0)
        for listener in self._listeners:
            listener.trigger.close()
        return is_clean

    def _channels(self) -> list[Channel]:
        return [c for listener in self._listeners for c in list(listener.active_channels.values())]
