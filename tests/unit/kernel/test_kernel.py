"""Ids, hashes, durations, addresses, clocks and the JSON codec."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogsend.errors import InvalidInput
from hogsend.kernel import wire_json
from hogsend.kernel.addresses import domain_of, is_email, normalize_email, parse_sender
from hogsend.kernel.clock import SystemClock, VirtualClock
from hogsend.kernel.durations import from_wire, parse_duration, to_wire
from hogsend.kernel.hashing import bucket_of, sha256_hex
from hogsend.kernel.ids import uuid7

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), children, max_size=4)
    ),
    max_leaves=12,
)


def test_uuid7_is_version_7_and_sorts_by_time() -> None:
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()

    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert first < second
    assert abs((first.int >> 80) / 1000 - time.time()) < 5


def test_uuid7_is_unique() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_bucket_of_is_the_first_four_bytes_of_sha256() -> None:
    # sha256("") begins e3b0c442, sha256("abc") begins ba7816bf
    assert bucket_of("") == 0xE3B0C442 % 10_000
    assert bucket_of("abc") == 0xBA7816BF % 10_000


def test_sha256_hex_takes_text_and_bytes() -> None:
    assert sha256_hex("abc") == sha256_hex(b"abc")
    assert sha256_hex("abc").startswith("ba7816bf")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("3d", 259_200), ("1h30m", 5400), (" 2 W ", 1_209_600)],
)
def test_parse_duration_reads_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "1.5h", "-1h", "0s", "1y", "9" * 20 + "w"])
def test_parse_duration_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)


@pytest.mark.parametrize(
    "value",
    [{"days": 1}, {"hours": "1"}, {"hours": True}, {"hours": float("nan")}, {"hours": 1e300}],
)
def test_from_wire_refuses_what_it_does_not_know(value: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        from_wire(value)


@given(st.integers(0, 10**9))
def test_durations_survive_the_wire(seconds: int) -> None:
    duration = timedelta(seconds=seconds)

    assert from_wire(to_wire(duration)) == duration


def test_to_wire_leaves_zeros_out() -> None:
    assert to_wire(timedelta(days=1, seconds=1.5)) == {"hours": 24, "seconds": 1.5}
    assert to_wire(timedelta(0)) == {}


@pytest.mark.parametrize(
    "address", ["a@b.co", "first.last+tag@sub.example.com", "x" * 64 + "@example.com"]
)
def test_is_email_accepts(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "a@b", "@b.co", "a b@c.co", "a@b.co\n", "a@-b.co", "a@b..co", "a@b.co, c@d.co"),
        "x" * 65 + "@example.com",
        "a@" + "b" * 250 + ".co",
        "a@b.co\r\nBcc: c@d.co",
    ],
)
def test_is_email_refuses(address: str) -> None:
    assert not is_email(address)


def test_normalize_email_trims_and_lowers() -> None:
    assert normalize_email("  Ada@Example.COM ") == "ada@example.com"
    assert domain_of("Ada <a@Example.COM>") == "example.com"


def test_parse_sender_splits_name_and_address() -> None:
    assert parse_sender("a@b.co") == ("", "a@b.co")
    assert parse_sender('"Acme, Inc" <a@b.co>') == ("Acme, Inc", "a@b.co")


@pytest.mark.parametrize(
    "value", ["", "nobody", "a@b.co, c@d.co", "Acme, Inc <a@b.co>", "X\r\nBcc: y <a@b.co>"]
)
def test_parse_sender_refuses_lists_and_injected_headers(value: str) -> None:
    with pytest.raises(InvalidInput):
        parse_sender(value)


def test_virtual_clock_moves_only_when_told() -> None:
    clock = VirtualClock()
    before = clock.now()

    after = clock.advance(timedelta(hours=1))

    assert clock.now() == after == before + timedelta(hours=1)


def test_system_clock_is_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


@given(_JSON)
def test_json_survives_the_codec(value: object) -> None:
    assert wire_json.loads(wire_json.dumps(value)) == value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": [float("-inf")]}, {"a": "\ud800"}]
)
def test_dumps_refuses_what_json_cannot_say(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire_json.dumps(value)


def test_dumps_words_that_look_like_numbers_are_text() -> None:
    assert wire_json.dumps({"NaN": "Infinity"}) == '{"NaN":"Infinity"}'


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", '"\\ud800"', "[" * 5000 + "]" * 5000, '{"a":1,}']
)
def test_loads_refuses_bad_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire_json.loads(text)


def test_dumps_knows_instants_and_ids() -> None:
    value = {"at": datetime(2026, 1, 2, tzinfo=UTC), "id": UUID(int=1)}

    assert wire_json.dumps(value) == (
        '{"at":"2026-01-02T00:00:00Z","id":"00000000-0000-0000-0000-000000000001"}'
    )


def test_stable_stringify_sorts_at_every_depth() -> None:
    assert wire_json.stable_stringify({"b": {"z": 1, "a": "š"}, "a": []}) == (
        '{"a":[],"b":{"a":"š","z":1}}'
    )


def test_iso_z_is_utc_with_milliseconds() -> None:
    instant = datetime(2026, 1, 1, 1, 2, 3, 999_999, timezone(timedelta(hours=1)))

    assert wire_json.iso_z(instant) == "2026-01-01T00:02:03.999Z"
