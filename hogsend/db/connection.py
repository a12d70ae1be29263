"""One connection: pg8000 signs in, then every statement is one send and one answer.

Statements are parsed once per connection under a name and bound from then on. With
``prepare=False`` nothing is kept on the server, which transaction poolers need.
"""

from __future__ import annotations

import select
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from hogsend.db import protocol
from hogsend.db.errors import (
    DatabaseError,
    DatabaseUnavailable,
    lost,
    translate,
)
from hogsend.db.handshake import sign_in
from hogsend.db.options import DatabaseOptions
from hogsend.db.protocol import Statement
from hogsend.db.values import Encoded, decode_rows

_KEEP_STATEMENTS = 256
_RECEIVE = 65536
_GRACE_SECONDS = 5.0


class Connection:
    """Not thread-safe. After any error ``is_reusable`` says whether it can serve again."""

    def __init__(self, options: DatabaseOptions) -> None:
        self._socket, self._buffer = sign_in(options)
        self._socket.settimeout(_patience(options))
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        self._prepare = options.prepare
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._names = 0
        self._retired: list[bytes] = []
        self._status = protocol.IDLE
        self._is_busy = False
        self.notifications: list[tuple[str, str]] = []
        self.born_at = time.monotonic()
        self.round_trips = 0

    @property
    def is_reusable(self) -> bool:
        """True between statements and outside a transaction, in step with the server."""
        return not self._is_busy and self._status == protocol.IDLE

    @property
    def is_in_transaction(self) -> bool:
        """True from BEGIN to COMMIT, also after a statement failed in between."""
        return self._status != protocol.IDLE

    @property
    def has_failed_transaction(self) -> bool:
        """True when only a rollback can end the transaction."""
        return self._status == protocol.FAILED

    def execute(
        self, sql: str, values: Sequence[Encoded], *, begin: bool = False
    ) -> list[tuple[Any, ...]]:
        """Run one statement in one round trip; ``begin`` opens a transaction in the same send."""
        known = self._statements.get(sql) if self._prepare else None
        head = protocol.BEGIN if begin else b""
        if known is not None:
            self._statements.move_to_end(sql)
            message = head + protocol.bind(known.name, values) + protocol.EXECUTE_SYNC
            return self._answer(message, known)
        fresh = Statement(name=self._new_name() if self._prepare else b"")
        message = (
            head
            + self._close_surplus()
            + protocol.parse(fresh.name, sql)
            + protocol.describe(fresh.name)
            + protocol.bind(fresh.name, values)
            + protocol.EXECUTE_SYNC
        )
        return self._answer(message, fresh, sql if self._prepare else None)

    def script(self, sql: str) -> None:
        """Run statements without parameters through the simple protocol; rows are dropped."""
        self._send(protocol.query(sql))
        # Each statement describes rows of its own: they are never decoded, only skipped.
        _, error = self._read_answer(Statement(name=b""), keeps_rows=False)
        if error is not None:
            raise error

    def forget(self, sql: str) -> None:
        """Drop a prepared statement that no longer fits; it is parsed anew when used again."""
        stale = self._statements.pop(sql, None)
        if stale is not None:
            self._retired.append(stale.name)

    def is_alive(self) -> bool:
        """Look at the idle socket without a round trip; False when the server has gone."""
        while self._poll.poll(0):
            if not self.pump():
                return False
        return True

    def wait_readable(self, seconds: float) -> bool:
        """Sleep until the server says something, at most ``seconds``."""
        pending = getattr(self._socket, "pending", None)
        if pending is not None and pending():
            return True
        return bool(self._poll.poll(seconds * 1000))

    def pump(self) -> bool:
        """Take in what arrived while idle (notifications, notices); False when it was the end."""
        patience = self._socket.gettimeout()
        self._is_busy = True
        try:
            self._socket.settimeout(_GRACE_SECONDS)
            self._receive()
            while self._consume_idle():
                self._receive()
        except DatabaseError:
            return False
        self._socket.settimeout(patience)
        self._is_busy = False
        return True

    def set_patience(self, seconds: float | None) -> None:
        """How long an answer may take before the connection counts as lost; None: for ever."""
        self._socket.settimeout(seconds)

    def shut(self) -> None:
        """Wake whoever waits on the socket from another thread, then it is over."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Say goodbye if possible; never raises."""
        try:
            self._socket.settimeout(1.0)
            if not self._is_busy:
                self._socket.sendall(protocol.TERMINATE)
        except OSError:
            pass
        finally:
            self._is_busy = True
            self._socket.close()

    def _new_name(self) -> bytes:
        self._names += 1
        return b"hs%d" % self._names

    def _close_surplus(self) -> bytes:
        """Closes what is stale or used least; closing what the server lost already is no error."""
        if len(self._statements) >= _KEEP_STATEMENTS:
            _, oldest = self._statements.popitem(last=False)
            self._retired.append(oldest.name)
        retired, self._retired = self._retired, []
        return b"".join(protocol.close(name) for name in retired)

    def _answer(
        self, message: bytes, statement: Statement, keep_as: str | None = None
    ) -> list[tuple[Any, ...]]:
        self._send(message)
        rows, error = self._read_answer(statement)
        if keep_as is not None and statement.is_described:
            self._statements[keep_as] = statement
        if error is not None:
            raise error
        return decode_rows(rows, statement.decoders, statement.columns)

    def _send(self, message: bytes) -> None:
        if self._is_busy:
            raise lost("it is out of step")
        self._is_busy = True
        self.round_trips += 1
        try:
            self._socket.sendall(message)
        except OSError as error:
            # The Sync at the end did not leave, so nothing can have been committed.
            raise lost(str(error) or type(error).__name__) from error

    def _receive(self, *, may_have_run: bool = False) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except OSError as error:
            raise lost(str(error) or type(error).__name__, may_have_run=may_have_run) from error
        if not data:
            raise lost("the server closed it", may_have_run=may_have_run)
        self._buffer += data

    def _read_answer(
        self, statement: Statement, *, keeps_rows: bool = True
    ) -> tuple[list[bytes], DatabaseError | None]:
        rows: list[bytes] = []
        error: DatabaseError | None = None
        has_started = False
        while True:
            at = 0
            for code, start, end in protocol.split(self._buffer):
                at = end
                if code == protocol.DATA_ROW:
                    if keeps_rows:
                        rows.append(bytes(self._buffer[start:end]))
                elif code == protocol.READY:
                    self._status = self._buffer[start]
                    del self._buffer[:end]
                    self._is_busy = False
                    return rows, error
                elif code == protocol.ERROR:
                    error = self._to_error(bytes(self._buffer[start:end]), has_started)
                elif code == protocol.ROW_DESCRIPTION:
                    statement.describe(bytes(self._buffer[start:end]))
                elif code == protocol.NO_DATA:
                    statement.is_described = True
                elif code == protocol.COPY_IN:
                    # The server waits for data we do not have; the connection is given up.
                    raise DatabaseError("COPY FROM STDIN is not supported", code="unsupported")
                elif not self._note(code, start, end):
                    has_started = True
            del self._buffer[:at]
            self._receive(may_have_run=True)

    def _to_error(self, data: bytes, has_started: bool) -> DatabaseError:
        fields = protocol.error_fields(data)
        error = translate(fields)
        if fields.get("V") in ("FATAL", "PANIC"):
            # Nothing follows. Before the first acknowledgement the statement had not begun.
            gone = error if isinstance(error, DatabaseUnavailable) else lost(error.message)
            gone.was_connected = True
            gone.may_have_run = has_started
            raise gone
        return error

    def _note(self, code: int, start: int, end: int) -> bool:
        """Handle what may come at any time; False for acknowledgements."""
        if code == protocol.NOTIFICATION:
            self.notifications.append(protocol.notification(bytes(self._buffer[start:end])))
            return True
        return code in (protocol.NOTICE, protocol.PARAMETER_STATUS)

    def _heed_farewell(self, data: bytes) -> None:
        """An immediate shutdown says goodbye in a mere warning (57P02), the end follows later."""
        fields = protocol.error_fields(data)
        if fields.get("C", "").startswith("57P"):
            raise lost(fields.get("M", "the server is going down"))

    def _consume_idle(self) -> bool:
        """Handle whole messages; True while a part of one is left."""
        at = 0
        for code, start, end in protocol.split(self._buffer):
            at = end
            if code == protocol.ERROR:
                self._to_error(bytes(self._buffer[start:end]), False)
            if code == protocol.NOTICE:
                self._heed_farewell(bytes(self._buffer[start:end]))
            if not self._note(code, start, end):
                raise lost("an answer arrived that nobody asked for")
        del self._buffer[:at]
        return bool(self._buffer)


def _patience(options: DatabaseOptions) -> float | None:
    """Seconds to wait for an answer: the server's own limit comes first."""
    if options.statement_timeout is None:
        return None
    return options.statement_timeout.total_seconds() + _GRACE_SECONDS
