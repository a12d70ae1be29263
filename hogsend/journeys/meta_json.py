"""A journey's declaration in the field names of the public API."""

from __future__ import annotations

from hogsend.conditions.json_form import to_json
from hogsend.conditions.pattern import EventPattern
from hogsend.journeys.meta import JourneyMeta
from hogsend.kernel import durations
from hogsend.kernel.wire_json import JsonObject


def meta_to_json(meta: JourneyMeta) -> JsonObject:
    """Absent fields are left out; no gap between mails is ``"suppress": {}``."""
    stored: JsonObject = {
        "id": meta.id,
        "name": meta.name,
        "enabled": meta.enabled,
        "trigger": _pattern(meta.trigger),
        "entryLimit": meta.entry.kind,
        "suppress": {**durations.to_wire(meta.min_gap)} if meta.min_gap else {},
    }
    if meta.entry.period is not None:
        stored["entryPeriod"] = {**durations.to_wire(meta.entry.period)}
    if meta.exit_on:
        stored["exitOn"] = [_pattern(pattern) for pattern in meta.exit_on]
    if meta.holdout is not None:
        salt: JsonObject = {} if meta.holdout.salt is None else {"salt": meta.holdout.salt}
        stored["holdout"] = {"percent": meta.holdout.percent, **salt}
    for key in ("description", "category", "goal", "version"):
        value = getattr(meta, key)
        if value is not None:
            stored[key] = value
    return stored


def _pattern(pattern: EventPattern) -> JsonObject:
    stored: JsonObject = {"event": pattern.event}
    if pattern.where:
        stored["where"] = [to_json(condition) for condition in pattern.where]
    return stored
