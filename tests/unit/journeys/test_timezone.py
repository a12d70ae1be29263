"""Who knows best where a person lives."""

from __future__ import annotations

import pytest

from hogsend.errors import InvalidInput
from hogsend.journeys.timezone import resolve_timezone
from hogsend.kernel.wire_json import JsonObject

_ALL: dict[str, object] = {
    "explicit": "Asia/Tokyo",
    "person": {"$timezone": "Europe/Berlin", "$geoip_time_zone": "Europe/Paris"},
    "contact_timezone": "America/Lima",
    "contact_properties": {"timezone": "Africa/Cairo"},
    "default": "Asia/Kolkata",
}


@pytest.mark.parametrize(
    ("without", "name", "source"),
    [
        ([], "Asia/Tokyo", "explicit"),
        (["explicit"], "Europe/Berlin", "person"),
        (["explicit", "person"], "America/Lima", "contact"),
        (["explicit", "person", "contact_timezone"], "Africa/Cairo", "property"),
        (
            ["explicit", "person", "contact_timezone", "contact_properties"],
            "Asia/Kolkata",
            "default",
        ),
        (list(_ALL), "UTC", "fallback"),
    ],
)
def test_timezone_comes_from_the_first_that_knows(
    without: list[str], name: str, source: str
) -> None:
    given = {key: value for key, value in _ALL.items() if key not in without}

    zone = resolve_timezone(**given)  # type: ignore[arg-type]  # a table of keyword arguments

    assert (zone.name, zone.source) == (name, source)


def test_timezone_of_the_address_counts_when_the_person_has_none() -> None:
    zone = resolve_timezone(person={"$geoip_time_zone": "Europe/Paris"}, default="UTC")

    assert (zone.name, zone.source, zone.should_be_kept) == ("Europe/Paris", "geoip", True)


def test_timezone_data_that_is_no_zone_is_passed_over_and_reported() -> None:
    properties: JsonObject = {"timezone": 5}

    zone = resolve_timezone(
        person={"$timezone": "Mars/Olympus"}, contact_timezone="", contact_properties=properties
    )

    assert (zone.name, zone.source, zone.should_be_kept) == ("UTC", "fallback", False)
    assert zone.ignored == (("person", "Mars/Olympus"), ("property", "5"))


def test_timezone_given_in_code_must_exist() -> None:
    with pytest.raises(InvalidInput, match="Mars/Olympus"):
        resolve_timezone(explicit="Mars/Olympus", default="UTC")
