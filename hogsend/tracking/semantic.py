"""Links that carry an answer: an event name and flat properties, written as data attributes.

``<a href="…" data-hs-event="nps.submitted" data-hs-props='{"score": 9}'>``. The attributes never
leave the house: they are checked and taken out when the mail is sent.
"""

from __future__ import annotations

from hogsend.errors import InvalidInput
from hogsend.events.names import is_reserved
from hogsend.kernel.wire_json import JsonObject, loads

EVENT_ATTRIBUTE = "data-hs-event"
PROPERTIES_ATTRIBUTE = "data-hs-props"
# An anchor whose href is this leads to the page that thanks for the answer.
ANSWER_HREF = "hogsend://answer"

_PROPERTIES_CHARACTERS = 2048


def read_answer(event: str, properties: str | None) -> JsonObject:
    """``{"event", "properties"}`` of a semantic link; raises InvalidInput, which fails the send."""
    name = event.strip()
    if not name:
        raise _bad(f"{EVENT_ATTRIBUTE} is empty")
    if is_reserved(name):
        raise _bad(f"{EVENT_ATTRIBUTE}={name!r} uses a name that belongs to Hogsend")
    return {"event": name, "properties": _read_properties(name, properties)}


def _read_properties(event: str, text: str | None) -> JsonObject:
    if text is None:
        return {}
    if len(text) > _PROPERTIES_CHARACTERS:
        raise _bad(f"{PROPERTIES_ATTRIBUTE} of {event!r} is longer than {_PROPERTIES_CHARACTERS}")
    try:
        properties = loads(text.encode())
    except ValueError as error:
        raise _bad(f"{PROPERTIES_ATTRIBUTE} of {event!r} is not JSON") from error
    if not isinstance(properties, dict):
        raise _bad(f"{PROPERTIES_ATTRIBUTE} of {event!r} is not an object")
    nested = [key for key, value in properties.items() if isinstance(value, dict | list)]
    if nested:
        raise _bad(f"{PROPERTIES_ATTRIBUTE} of {event!r}: {', '.join(nested)} is not a plain value")
    return properties


def _bad(message: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_link", hint="correct the link in the template")
