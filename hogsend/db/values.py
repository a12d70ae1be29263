"""Python values to PostgreSQL text and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from pg8000.converters import PG_TYPES

from hogsend.db.errors import DatabaseError, InvalidValue
from hogsend.db.queries import Query
from hogsend.kernel import wire_json

Encoded: TypeAlias = bytes | None
Decoder: TypeAlias = Callable[[str], Any]


def bind(query: Query, params: Mapping[str, object]) -> list[Encoded]:
    """The values of a query's placeholders in order, encoded before anything is sent.

    Raises TypeError for a missing, surplus or unsupported parameter and InvalidValue for a
    value PostgreSQL could never store (lone surrogate, datetime without a zone).
    """
    if len(params) != len(query.parameters):
        raise _mismatch(query, params)
    try:
        return [encode(params[name]) for name in query.parameters]
    except KeyError:
        raise _mismatch(query, params) from None
    except DatabaseError:
        raise
    except ValueError as error:
        raise InvalidValue(f"a parameter of {query.name} cannot be encoded: {error}") from error


def encode(value: object) -> Encoded:
    """One value as text; dict and list become JSON text, None stays None (NULL)."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        encoder = _find_encoder(value)
    return encoder(value)


def decoder(oid: int) -> Decoder:
    """How to read a column of this type."""
    return _DECODERS.get(oid) or PG_TYPES.get(oid, str)


def decode_rows(
    rows: Sequence[bytes], decoders: Sequence[Decoder], columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """DataRow bodies to tuples; raises DatabaseError when a value has no Python form."""
    try:
        return [_decode_row(row, decoders) for row in rows]
    except (ValueError, ArithmeticError) as error:
        raise DatabaseError(
            f"a value of ({', '.join(columns)}) cannot be read: {error}", code="undecodable_value"
        ) from error


def _decode_row(data: bytes, decoders: Sequence[Decoder]) -> tuple[Any, ...]:
    at = 2  # the column count; the decoders know it
    values: list[Any] = []
    for read in decoders:
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4
        if size < 0:
            values.append(None)
        else:
            values.append(read(data[at : at + size].decode()))
            at += size
    return tuple(values)


def _encode_datetime(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise InvalidValue("a datetime without a time zone cannot be a parameter")
    return value.isoformat().encode()


def _encode_json(value: object) -> bytes:
    return wire_json.dumps(value).encode()


def _refuse_duration(value: object) -> bytes:
    raise TypeError("pass seconds and make_interval(secs => …) instead of a timedelta")


_ENCODERS: dict[type, Callable[[Any], Encoded]] = {
    type(None): lambda value: None,
    str: str.encode,
    bool: lambda value: b"true" if value else b"false",
    int: lambda value: b"%d" % value,
    float: lambda value: repr(value).encode(),
    Decimal: lambda value: str(value).encode(),
    UUID: lambda value: str(value).encode(),
    datetime: _encode_datetime,
    date: lambda value: value.isoformat().encode(),
    time: lambda value: value.isoformat().encode(),
    timedelta: _refuse_duration,
    bytes: lambda value: b"\\x" + value.hex().encode(),
    dict: _encode_json,
    list: _encode_json,
    tuple: _encode_json,
}


def _find_encoder(value: object) -> Callable[[Any], Encoded]:
    for known, encoder in _ENCODERS.items():
        if isinstance(value, known):
            return encoder
    if isinstance(value, Mapping):
        return lambda mapping: _encode_json(dict(mapping))
    raise TypeError(f"a {type(value).__name__} cannot be a query parameter")


def _mismatch(query: Query, params: Mapping[str, object]) -> TypeError:
    missing = sorted(set(query.parameters) - set(params))
    surplus = sorted(set(params) - set(query.parameters))
    return TypeError(f"query {query.name}: missing parameters {missing}, unknown {surplus}")


def _read_instant(text: str) -> datetime:
    if text == "infinity":
        return datetime.max.replace(tzinfo=UTC)
    if text == "-infinity":
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(text)


_DECODERS: dict[int, Decoder] = {
    16: lambda text: text == "t",
    17: lambda text: bytes.fromhex(text[2:]),
    20: int,
    21: int,
    23: int,
    26: int,
    25: str,
    114: wire_json.loads,
    3802: wire_json.loads,
    700: float,
    701: float,
    1043: str,
    1082: date.fromisoformat,
    1083: time.fromisoformat,
    1114: datetime.fromisoformat,
    1184: _read_instant,
    1700: Decimal,
    2950: UUID,
}
