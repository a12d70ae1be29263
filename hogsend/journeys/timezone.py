"""Which zone a person lives in, from everything that might know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hogsend.kernel.timezones import find_zone, get_zone
from hogsend.kernel.wire_json import JsonValue

ZoneSource = Literal["explicit", "person", "geoip", "contact", "property", "default", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedZone:
    """``name`` is an existing IANA zone; ``ignored`` lists what was given and is none."""

    name: str
    source: ZoneSource
    ignored: tuple[tuple[ZoneSource, str], ...] = ()

    @property
    def should_be_kept(self) -> bool:
        """True when an analytics provider knew it: write it to a contact that has none."""
        return self.source in ("person", "geoip")


def resolve_timezone(
    *,
    explicit: str | None = None,
    person: Mapping[str, JsonValue] | None = None,
    contact_timezone: str | None = None,
    contact_properties: Mapping[str, JsonValue] | None = None,
    default: str | None = None,
) -> ResolvedZone:
    """The first that is a zone: explicit, the analytics person's ``$timezone`` and
    ``$geoip_time_zone``, the contact's column, its property ``timezone``, the default, UTC.

    Data that is no zone is passed over and reported in ``ignored``. An explicit zone is code:
    a wrong one raises InvalidInput.
    """
    if explicit is not None:
        return ResolvedZone(name=get_zone(explicit).key, source="explicit")
    person, properties = person or {}, contact_properties or {}
    candidates: tuple[tuple[ZoneSource, JsonValue], ...] = (
        ("person", person.get("$timezone")),
        ("geoip", person.get("$geoip_time_zone")),
        ("contact", contact_timezone),
        ("property", properties.get("timezone")),
        ("default", default),
    )
    ignored: list[tuple[ZoneSource, str]] = []
    for source, candidate in candidates:
        if candidate is None or candidate == "":
            continue
        zone = find_zone(candidate)
        if zone is not None:
            return ResolvedZone(name=zone.key, source=source, ignored=tuple(ignored))
        ignored.append((source, str(candidate)))
    return ResolvedZone(name="UTC", source="fallback", ignored=tuple(ignored))
