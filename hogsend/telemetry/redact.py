"""Keeps secrets out of logs: by the name of a field, and by their shape inside any text."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from hogsend.telemetry.markers import SHOWN_ONCE

REDACTED = "[redacted]"
_MAX_DEPTH = 6

_SECRET_FIELD = re.compile(
    r"(?:authorization|cookie|password|passwd|secret|token|api[_-]?key|private[_-]?key|dsn)s?$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?P<key>\b(?:hsk|pk|re|whsec)_)[A-Za-z0-9_+/=-]{16,}"  # our keys, Resend's, webhook secrets
    r"|(?P<user>://[^\s:/@]*:)[^\s@/]+(?=@)"  # a password inside a URL
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<jwt>\bey)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|(?P<pair>\b(?:token|password|secret|api_?key)=)[^\s&,;]+"
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor; returns the event without secrets. Addresses of people stay."""
    shown = event.get("event")
    if isinstance(shown, str) and shown.startswith(SHOWN_ONCE):
        return event
    return {name: _redact_field(name, value, 0) for name, value in event.items()}


def redact_text(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    return _SECRET_TEXT.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup or 0]}{REDACTED}"


def _redact_field(name: str, value: Any, depth: int) -> Any:
    if _SECRET_FIELD.search(name) and not isinstance(value, bool | int | float | None):
        return REDACTED
    return _redact_value(value, depth)


def _redact_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bool | int | float | None):
        return value
    if depth >= _MAX_DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return {k: _redact_field(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(item, depth + 1) for item in value]
    return value
