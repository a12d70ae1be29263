"""Looks at what events bring before it goes into a mail: anybody may send an event."""

from __future__ import annotations

from hogsend.kernel.wire_json import JsonValue


def is_web_address(value: JsonValue) -> bool:
    """Fit for a link in a mail."""
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def is_words(value: JsonValue) -> bool:
    """Fit for a line of a mail."""
    return isinstance(value, str) and value.strip() != ""
