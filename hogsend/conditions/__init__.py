"""Conditions as data: written by authors, stored as JSON, judged in Python or in PostgreSQL."""

from hogsend.conditions.evaluate import History, SendFacts, evaluate
from hogsend.conditions.json_form import from_json, list_from_json, to_json
from hogsend.conditions.model import (
    Composite,
    Condition,
    EmailCondition,
    EventCondition,
    Not,
    PropertyCondition,
    leaves,
)
from hogsend.conditions.pattern import EventPattern, on

__all__ = [
    "Composite",
    "Condition",
    "EmailCondition",
    "EventCondition",
    "EventPattern",
    "History",
    "Not",
    "PropertyCondition",
    "SendFacts",
    "evaluate",
    "from_json",
    "leaves",
    "list_from_json",
    "on",
    "to_json",
]
