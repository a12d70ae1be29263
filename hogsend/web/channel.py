"""waitress channel and tasks: no spinning on keep-alive, one write per answer, JSON errors.

Stock waitress 3.0.2 collapses to about 500 requests/s from 50 keep-alive connections on: the
main loop sees pending output on a writable socket, cannot take the buffer lock and spins while
holding the GIL, and every worker system call waits a GIL switch interval. ``writable`` below
leaves the socket to the worker that owns the buffer.
"""

from __future__ import annotations

import functools
import threading
import time
from socket import SHUT_WR
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import build_http_date

from hogsend.kernel.wire_json import dump_bytes
from hogsend.web.edge import SECURITY_HEADERS

_LINGER_SECONDS = 2.0
_REQUEST_SECONDS = 30.0
_LINGER_BYTES = 8 * 1024 * 1024
_MESSAGES = {
    400: "Bad Request",
    413: "Request body is too large",
    431: "Request header fields are too large",
    501: "Transfer encoding is not supported",
}


# The channel this thread works for, if it is a worker.
_serving = threading.local()


def serving_channel() -> Channel | None:
    """Whom the calling thread answers right now."""
    channel: Channel | None = getattr(_serving, "channel", None)
    return channel


@functools.lru_cache(maxsize=512)
def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


@functools.lru_cache(maxsize=2)
def _http_date(second: int) -> str:
    return str(build_http_date(second))


class Task(WSGITask):
    """Sends head and body of a small complete answer in one system call."""

    channel: Any
    request: Any

    def build_response_header(self) -> bytes:
        """The usual case (HTTP/1.1, keep-alive, known length) without per-header work."""
        is_usual = (
            self.version == "1.1"
            and self.content_length is not None
            and self.has_body
            and not self.close_on_finish
            and not self.channel.server.is_draining
            and self.request.headers.get("CONNECTION", "").lower() != "close"
        )
        if not is_usual:
            if self.channel.server.is_draining:
                self.set_close_on_finish()
            head: bytes = super().build_response_header()
            return head
        lines = [f"HTTP/1.1 {self.status}"]
        lines += [f"{_canonical(name)}: {value}" for name, value in self.response_headers]
        lines.append(f"Date: {_http_date(int(self.start_time))}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1")

    def write(self, data: bytes) -> None:
        """As in waitress, but a complete body travels with its head."""
        is_whole = (
            not self.wrote_header
            and self.complete
            and bool(data)
            and self.has_body
            and self.content_length == len(data)
        )
        if not is_whole:
            super().write(data)
            return
        head = self.build_response_header()
        self.wrote_header = True
        self.content_bytes_written += len(data)
        self.channel.write_soon(head + data)


class JsonErrorTask(ErrorTask):
    """What waitress itself refuses (too large, malformed) in the envelope of everything else."""

    channel: Any
    request: Any
    response_headers: Any

    def execute(self) -> None:
        error = self.request.error
        body = dump_bytes({"error": _MESSAGES.get(error.code, error.reason)})
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.response_headers.extend(SECURITY_HEADERS.items())
        self.set_close_on_finish()
        self.channel.is_refusing = error.code == 413
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """One connection."""

    task_class = Task
    error_task_class = JsonErrorTask

    socket: Any
    _fileno: int
    is_refusing = False
    is_parked = False
    has_early_data = False
    _partial: Any = None
    _partial_since = 0.0
    _linger_until: float | None = None
    _discarded = 0

    def writable(self) -> bool:
        """True only when the main loop can really do something with the socket."""
        if self._linger_until is not None:
            return False
        if self.will_close or self.close_when_flushed:
            return True
        if not self.total_outbufs_len:
            return False
        if not self.requests:
            return True
        if self.total_outbufs_len < self.adj.send_bytes:
            return False
        if self.outbuf_lock.acquire(False):
            self.outbuf_lock.release()
            return True
        return False  # a worker owns the buffer; it pulls the trigger if it cannot flush

    def readable(self) -> bool:
        """True unless closing, sending, or in receipt of more before its request is answered.

        Unlike in waitress a connection whose request is being worked on stays with the loop, so
        that nobody has to wake the loop when the answer is out. ``is_parked`` is set before and
        read after what it depends on changes: the worker cannot miss that the loop left us out.
        """
        if self._linger_until is not None:
            return True
        self.is_parked = True
        if (
            self.will_close
            or self.close_when_flushed
            or self.total_outbufs_len
            or (self.has_early_data and self.requests)
        ):
            return False
        self.is_parked = False
        return True

    def service(self) -> None:
        """As in waitress; wakes the loop only when it has something to do for us."""
        _serving.channel = self
        try:
            super().service()
        finally:
            _serving.channel = None

    @property
    def needs_loop(self) -> bool:
        """True when there is something to send or to close, or the loop left us out."""
        return bool(
            self.is_parked or self.total_outbufs_len or self.close_when_flushed or self.will_close
        )

    def handle_read(self) -> None:
        """As in waitress, except while lingering or at work: what comes early waits."""
        if self._linger_until is None:
            self.has_early_data = bool(self.requests)
            if not self.has_early_data:
                super().handle_read()
            return
        try:
            data = self.recv(65536)
        except OSError:
            data = b""
        self._discarded += len(data)
        if not data or self._discarded > _LINGER_BYTES or self.is_linger_over(time.time()):
            super().handle_close()

    def handle_close(self) -> None:
        """Close; after a refused body, first let the client read the answer.

        Closing with unread bytes in the socket resets the connection, and the reset may overtake
        the answer.
        """
        if self.is_refusing and self.connected and self._linger_until is None:
            self._linger_until = time.time() + _LINGER_SECONDS
            try:
                self.socket.shutdown(SHUT_WR)
            except OSError:
                super().handle_close()
            return
        super().handle_close()

    def is_trickling(self, now: float) -> bool:
        """True when one request has been arriving for too long; to be asked now and then.

        It must be the same request each time: a busy connection may be amid one whenever asked.
        """
        if self.request is not self._partial:
            self._partial, self._partial_since = self.request, now
        return self.request is not None and now - self._partial_since > _REQUEST_SECONDS

    def is_linger_over(self, now: float) -> bool:
        """True when a refused client has had its time."""
        return self._linger_until is not None and now > self._linger_until

    def close_now(self) -> None:
        """Close without lingering."""
        self.is_refusing = False
        super().handle_close()

    def send_continue(self) -> None:
        """Invite the body, unless its announced size was refused already."""
        request: Any = self.request
        if request.error is None:
            super().send_continue()

    def is_idle(self) -> bool:
        """True between two requests: nothing received, running or left to send."""
        return not self.requests and not self.total_outbufs_len and self.request is None
