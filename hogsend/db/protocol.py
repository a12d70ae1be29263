"""The part of PostgreSQL's wire protocol that statements need, as pure functions.

Source: PostgreSQL documentation, "Frontend/Backend Protocol", version 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

from hogsend.db.values import Decoder, Encoded, decoder

DATA_ROW = ord("D")
READY = ord("Z")
ERROR = ord("E")
ROW_DESCRIPTION = ord("T")
NO_DATA = ord("n")
NOTIFICATION = ord("A")
NOTICE = ord("N")
PARAMETER_STATUS = ord("S")
COPY_IN = ord("G")

IDLE = ord("I")
FAILED = ord("E")

_INT = Struct("!i").pack
_SHORT = Struct("!h").pack
_FIELD = Struct("!ihihih").unpack_from
_NULL = _INT(-1)


class Statement:
    """A parsed statement; columns are known once the server described it."""

    __slots__ = ("columns", "decoders", "is_described", "name")

    def __init__(self, *, name: bytes) -> None:
        self.name = name
        self.columns: tuple[str, ...] = ()
        self.decoders: tuple[Decoder, ...] = ()
        self.is_described = False

    def describe(self, data: bytes) -> None:
        """Take a RowDescription body."""
        columns: list[str] = []
        decoders: list[Decoder] = []
        at = 2
        for _ in range(int.from_bytes(data[:2], "big")):
            end = data.index(0, at)
            columns.append(data[at:end].decode())
            decoders.append(decoder(_FIELD(data, end + 1)[2]))
            at = end + 19
        self.columns, self.decoders = tuple(columns), tuple(decoders)
        self.is_described = True


def _message(code: bytes, body: bytes) -> bytes:
    return code + _INT(len(body) + 4) + body


def parse(name: bytes, sql: str) -> bytes:
    """Parse; parameter types are left to the server."""
    return _message(b"P", name + b"\0" + sql.encode() + b"\0\0\0")


def describe(name: bytes) -> bytes:
    """Describe a statement."""
    return _message(b"D", b"S" + name + b"\0")


def close(name: bytes) -> bytes:
    """Close a statement."""
    return _message(b"C", b"S" + name + b"\0")


def bind(name: bytes, values: Sequence[Encoded]) -> bytes:
    """Bind values to the unnamed portal, everything in text format."""
    body = bytearray(b"\0" + name + b"\0\0\0" + _SHORT(len(values)))
    for value in values:
        if value is None:
            body += _NULL
        else:
            body += _INT(len(value))
            body += value
    body += b"\0\0"
    return b"B" + _INT(len(body) + 4) + body


def query(sql: str) -> bytes:
    """A simple query; may hold several statements."""
    return _message(b"Q", sql.encode() + b"\0")


EXECUTE_SYNC = _message(b"E", b"\0" + _INT(0)) + _message(b"S", b"")
TERMINATE = _message(b"X", b"")
# In the batch of the first statement: should BEGIN fail, the server skips that statement too.
BEGIN = parse(b"", "BEGIN") + bind(b"", ()) + _message(b"E", b"\0" + _INT(0))


def split(buffer: bytearray) -> Iterator[tuple[int, int, int]]:
    """Whole messages in a buffer: (code, start of body, end)."""
    at, filled = 0, len(buffer)
    while at + 5 <= filled:
        end = at + 1 + int.from_bytes(buffer[at + 1 : at + 5], "big")
        if end > filled:
            return
        yield buffer[at], at + 5, end
        at = end


def error_fields(data: bytes) -> dict[str, str]:
    """An ErrorResponse body as one-letter field code to text."""
    return {
        part[:1].decode(): part[1:].decode(errors="replace") for part in data.split(b"\0") if part
    }


def notification(data: bytes) -> tuple[str, str]:
    """A NotificationResponse body as (channel, payload)."""
    channel, payload, _ = data[4:].split(b"\0", 2)
    return channel.decode(), payload.decode(errors="replace")
