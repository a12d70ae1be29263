"""Python values to text and back, without a server."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

import pytest

from hogsend.db.errors import DatabaseError, InvalidValue
from hogsend.db.queries import Query
from hogsend.db.values import bind, decode_rows, decoder, encode


class _Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (None, None),
        (True, b"true"),
        (12, b"12"),
        (2**70, b"1180591620717411303424"),
        (1.5, b"1.5"),
        (Decimal("1.50"), b"1.50"),
        ("š", "š".encode()),
        (_Colour.RED, b"red"),
        (UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), b"2026-01-02T03:04:05.000006+00:00"),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-5))),
            b"2026-01-02T00:00:00-05:00",
        ),
        (date(2026, 1, 2), b"2026-01-02"),
        (b"\x00\xff", b"\\x00ff"),
        (["null", "NULL"], b'["null","NULL"]'),
        ({"a": [1, None]}, b'{"a":[1,null]}'),
        (MappingProxyType({"a": 1}), b'{"a":1}'),
    ],
)
def test_encode_value_as_text(value: object, encoded: bytes | None) -> None:
    assert encode(value) == encoded


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("\ud800", InvalidValue),
        ({"a": "\ud800"}, InvalidValue),
        ({"a": float("nan")}, InvalidValue),
        (datetime(2026, 1, 1), InvalidValue),
        (timedelta(seconds=1), TypeError),
        (object(), TypeError),
        ({1, 2}, TypeError),
    ],
)
def test_bind_value_that_cannot_be_sent_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        bind(Query.parse("q", "SELECT :a"), {"a": value})


@pytest.mark.parametrize("params", [{}, {"b": 1}, {"a": 1, "b": 2}])
def test_bind_wrong_parameters_are_named(params: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="query q: missing parameters"):
        bind(Query.parse("q", "SELECT :a"), params)


def test_bind_orders_values_as_placeholders() -> None:
    query = Query.parse("q", "SELECT :b, :a, :b")

    assert bind(query, {"a": 1, "b": 2}) == [b"2", b"1"]


@pytest.mark.parametrize(
    ("oid", "text", "value"),
    [
        (16, "t", True),
        (20, "-9223372036854775808", -(2**63)),
        (1700, "1.50", Decimal("1.50")),
        (1184, "2026-01-02 03:04:05.5+00", datetime(2026, 1, 2, 3, 4, 5, 500000, UTC)),
        (1184, "infinity", datetime.max.replace(tzinfo=UTC)),
        (1184, "-infinity", datetime.min.replace(tzinfo=UTC)),
        (3802, '{"a": null}', {"a": None}),
        (2950, "00000000-0000-0000-0000-000000000001", UUID(int=1)),
        (17, "\\x00ff", b"\x00\xff"),
        (999999, "whatever", "whatever"),
    ],
)
def test_decoder_reads_type(oid: int, text: str, value: object) -> None:
    assert decoder(oid)(text) == value


def test_decode_rows_unreadable_value_names_the_columns() -> None:
    row = b"\x00\x01" + (4).to_bytes(4, "big") + b"oops"

    with pytest.raises(DatabaseError, match="a value of \\(born_at\\) cannot be read") as failure:
        decode_rows([row], [decoder(1184)], ["born_at"])

    assert failure.value.code == "undecodable_value"
