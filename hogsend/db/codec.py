"""Values to and from PostgreSQL's text format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from hogsend.db.errors import InvalidValue
from hogsend.kernel.wire_json import dumps, loads

Decoder: TypeAlias = Callable[[str], Any]


def encode(value: object) -> bytes | None:
    """One parameter as text; dicts and lists become JSON.

    Raises InvalidValue for what cannot be stored (lone surrogates, NUL, NaN in JSON, other types).
    """
    try:
        text = _as_text(value)
        if text is None:
            return None
        encoded = text.encode("utf-8")
    except (UnicodeEncodeError, ValueError) as error:
        raise InvalidValue(f"a value cannot be stored: {error}") from error
    if b"\0" in encoded:
        raise InvalidValue("a text contains a NUL character", sqlstate="22021")
    return encoded


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal | UUID):
        return str(value)
    if isinstance(value, dict | list):
        return dumps(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return "\\x" + bytes(value).hex()
    raise InvalidValue(f"{type(value).__name__} is not a parameter type")


_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)')


def _array(item: Decoder) -> Decoder:
    """One-dimensional arrays: ``{a,"b,c",NULL}``."""

    def decode(text: str) -> list[Any]:
        values: list[Any] = []
        for quoted, bare in _ITEM.findall(text[1:-1]):
            if bare == "NULL":
                values.append(None)
            else:
                values.append(item(bare or re.sub(r"\\(.)", r"\1", quoted)))
        return values

    return decode


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _boolean(text: str) -> bool:
    return text == "t"


_DECODERS: Mapping[int, Decoder] = {
    16: _boolean,
    17: _bytes,
    20: int,
    21: int,
    23: int,
    26: int,
    114: loads,
    700: float,
    701: float,
    1009: _array(str),
    1015: _array(str),
    1016: _array(int),
    1007: _array(int),
    2951: _array(UUID),
    1082: date.fromisoformat,
    1114: datetime.fromisoformat,
    1184: datetime.fromisoformat,
    1700: Decimal,
    2950: UUID,
    3802: loads,
}


def decoder_for(oid: int) -> Decoder:
    """How to read a column of this type; unknown types stay text."""
    return _DECODERS.get(oid, str)
