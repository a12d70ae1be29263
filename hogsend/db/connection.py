"""One PostgreSQL session: prepared statements, one send and one answer per statement.

Built on pg8000's handshake (1.31.6, pinned: ``_usock`` and ``_transaction_status`` are private);
the extended protocol is spoken here because pg8000 needs three round trips for it.
"""

from __future__ import annotations

import select
import socket
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError as DriverError
from pg8000.exceptions import InterfaceError

from hogsend.db.codec import Decoder, decoder_for, encode
from hogsend.db.dsn import ConnectArguments
from hogsend.db.errors import DatabaseError, DatabaseUnavailable, StalePlan, from_server
from hogsend.db.queries import Query

_CACHE_SIZE = 200
_INT = struct.Struct("!i")
_SHORT = struct.Struct("!h")
_HEAD = struct.Struct("!ci")
_SYNC = b"S\x00\x00\x00\x04"
_EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class Notification:
    """One NOTIFY: channel and payload."""

    channel: str
    payload: str


@dataclass(slots=True)
class _Statement:
    name: bytes
    decoders: list[Decoder]


class Connection:
    """Not thread-safe: one thread at a time, the pool sees to that."""

    def __init__(self, arguments: ConnectArguments, *, prepare: bool) -> None:
        self._prepare = prepare
        self._statements: OrderedDict[str, _Statement] = OrderedDict()
        self._counter = 0
        self._buffer = b""
        self.notifications: deque[Notification] = deque(maxlen=1000)
        self.in_transaction = False
        self.is_broken = False
        self.round_trips = 0
        self._socket = _open(arguments)

    def run(self, query: Query, params: dict[str, object]) -> list[tuple[Any, ...]]:
        """Execute one statement; everything is encoded before anything is sent.

        Raises DatabaseError as PostgreSQL answered, or DatabaseUnavailable when the connection
        broke (the statement may have run).
        """
        values = [encode(params[name]) for name in query.parameters]
        try:
            return self._execute(query.sql, values)
        except StalePlan:
            self._statements.pop(query.sql, None)
            if self.in_transaction:
                raise
            return self._execute(query.sql, values)

    def run_script(self, sql: str) -> None:
        """Several statements without parameters by the simple protocol."""
        self._exchange(_message(b"Q", sql.encode() + b"\0"), [])

    def is_alive(self) -> bool:
        """False when the server closed the idle connection; costs no round trip."""
        if self.is_broken:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return not poller.poll(0)

    def poll(self, timeout: float) -> list[Notification]:
        """Wait for notifications; raises DatabaseUnavailable when the server is gone."""
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        if not self._buffer and poller.poll(timeout * 1000):
            self._receive_idle()
        found = list(self.notifications)
        self.notifications.clear()
        return found

    def close(self) -> None:
        """Say goodbye if possible; never raises."""
        self.is_broken = True
        try:
            self._socket.sendall(b"X\x00\x00\x00\x04")
        except OSError:
            pass
        finally:
            self._socket.close()

    def _execute(self, sql: str, values: Sequence[bytes | None]) -> list[tuple[Any, ...]]:
        statement = self._statements.get(sql)
        if statement is not None:
            self._statements.move_to_end(sql)
            rows = self._exchange(
                _bind(statement.name, values) + _EXECUTE + _SYNC, statement.decoders
            )
            return rows
        name = self._new_name() if self._prepare else b""
        prefix = self._evict() + _message(b"P", name + b"\0" + sql.encode() + b"\0\x00\x00")
        decoders: list[Decoder] = []
        rows = self._exchange(
            prefix + _message(b"D", b"S" + name + b"\0") + _bind(name, values) + _EXECUTE + _SYNC,
            decoders,
        )
        if self._prepare:
            self._statements[sql] = _Statement(name, decoders)
        return rows

    def _new_name(self) -> bytes:
        self._counter += 1
        return b"hs%d" % self._counter

    def _evict(self) -> bytes:
        if len(self._statements) < _CACHE_SIZE:
            return b""
        _, oldest = self._statements.popitem(last=False)
        return _message(b"C", b"S" + oldest.name + b"\0")

    def _exchange(self, data: bytes, decoders: list[Decoder]) -> list[tuple[Any, ...]]:
        if self.is_broken:
            raise DatabaseUnavailable("the connection to PostgreSQL is closed")
        self.round_trips += 1
        try:
            self._socket.sendall(data)
            return self._receive(decoders)
        except DatabaseError as error:
            if isinstance(error, DatabaseUnavailable):
                self._break()
            raise
        except OSError as error:
            self._break()
            raise DatabaseUnavailable(f"the connection to PostgreSQL broke: {error}") from error
        except BaseException:
            self._break()  # interrupted in mid-answer: the next one would be ours
            raise

    def _break(self) -> None:
        self.is_broken = True
        self._socket.close()

    def _receive(self, decoders: list[Decoder]) -> list[tuple[Any, ...]]:
        """Read until ReadyForQuery; fills ``decoders`` when a RowDescription comes."""
        rows: list[tuple[Any, ...]] = []
        error: DatabaseError | None = None
        buffer = self._buffer
        at = 0
        while True:
            while len(buffer) - at < 5:
                buffer, at = buffer[at:] + self._more(), 0
            code, length = _HEAD.unpack_from(buffer, at)
            end = at + 1 + length
            while len(buffer) < end:
                buffer, at, end = buffer[at:] + self._more(), 0, end - at
            start = at + 5
            at = end
            if code == b"D":
                rows.append(_row(buffer, start, decoders))
            elif code == b"Z":
                self.in_transaction = buffer[start : start + 1] != b"I"
                self._buffer = buffer[at:]
                if error is not None:
                    raise error
                return rows
            elif code == b"T":
                decoders[:] = _decoders(buffer, start)
            elif code == b"E":
                error = error or from_server(_fields(buffer[start:end]))
            elif code == b"A":
                self._notify(buffer[start:end])

    def _receive_idle(self) -> None:
        buffer = self._buffer
        try:
            buffer += self._more()
            at = 0
            while len(buffer) - at >= 5:
                code, length = _HEAD.unpack_from(buffer, at)
                end = at + 1 + length
                while len(buffer) < end:
                    buffer += self._more()
                if code == b"A":
                    self._notify(buffer[at + 5 : end])
                elif code == b"E":
                    raise from_server(_fields(buffer[at + 5 : end]))
                at = end
            self._buffer = buffer[at:]
        except (OSError, DatabaseError) as error:
            self._break()
            raise DatabaseUnavailable(f"the connection to PostgreSQL broke: {error}") from error

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise DatabaseUnavailable("PostgreSQL closed the connection")
        return data

    def _notify(self, body: bytes) -> None:
        channel, payload, _ = body[4:].split(b"\0", 2)
        self.notifications.append(Notification(channel.decode(), payload.decode()))


def _open(arguments: ConnectArguments) -> socket.socket:
    """Handshake by pg8000 (TLS, SCRAM); afterwards only its socket is used."""
    try:
        sock = arguments.open_socket()
        driver = CoreConnection(
            arguments.user,
            host=arguments.host,
            port=arguments.port,
            database=arguments.database,
            password=arguments.password,
            ssl_context=arguments.ssl,
            application_name=arguments.application_name,
            startup_params=arguments.startup,
            sock=sock,
        )
    except DriverError as error:
        fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        translated = from_server(fields)
        raise DatabaseUnavailable(
            f"PostgreSQL refused the connection: {translated.message}",
            sqlstate=translated.sqlstate,
            hint="check DATABASE_URL",
        ) from error
    except (OSError, InterfaceError) as error:
        raise DatabaseUnavailable(
            f"PostgreSQL at {arguments.place} cannot be reached: {error}",
            hint="check DATABASE_URL and that the server runs",
        ) from error
    opened: socket.socket = driver._usock
    opened.settimeout(arguments.answer_seconds)
    return opened


def _message(code: bytes, body: bytes) -> bytes:
    return code + _INT.pack(len(body) + 4) + body


def _bind(name: bytes, values: Sequence[bytes | None]) -> bytes:
    body = bytearray(b"\0" + name + b"\0\x00\x00" + _SHORT.pack(len(values)))
    for value in values:
        if value is None:
            body += b"\xff\xff\xff\xff"
        else:
            body += _INT.pack(len(value)) + value
    body += b"\x00\x00"
    return _message(b"B", bytes(body))


def _decoders(buffer: bytes, start: int) -> list[Decoder]:
    (count,) = _SHORT.unpack_from(buffer, start)
    at = start + 2
    found: list[Callable[[str], Any]] = []
    for _ in range(count):
        at = buffer.index(b"\0", at) + 1
        (oid,) = _INT.unpack_from(buffer, at + 6)
        found.append(decoder_for(oid))
        at += 18
    return found


def _row(buffer: bytes, start: int, decoders: list[Decoder]) -> tuple[Any, ...]:
    at = start + 2
    row: list[Any] = []
    for decode in decoders:
        (length,) = _INT.unpack_from(buffer, at)
        at += 4
        if length < 0:
            row.append(None)
        else:
            row.append(decode(str(buffer[at : at + length], "utf-8")))
            at += length
    return tuple(row)


def _fields(body: bytes) -> dict[str, str]:
    return {
        part[:1].decode(): part[1:].decode("utf-8", "replace")
        for part in body.split(b"\0")
        if part
    }
