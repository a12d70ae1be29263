"""Finds everything that is wrong with a declaration, instead of the first thing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hogsend.conditions.builder import Property
from hogsend.conditions.pattern import EventPattern
from hogsend.conversions.definitions import (
    CHANNELS,
    MOST,
    REVENUE,
    ConversionDefinition,
    ConversionFields,
    to_cents,
)
from hogsend.kernel.words import suggest

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_FIELDS = sorted(ConversionFields.__annotations__)
_REQUIRED = ("id", "trigger")
_LONGEST_WINDOW = timedelta(days=365)


def check_fields(fields: Mapping[str, Any]) -> ConversionDefinition | list[str]:
    """The checked declaration, or every problem it has."""
    problems = [
        *_names(fields),
        *_texts(fields),
        *_sources(fields.get("sources")),
        *_money(fields.get("value"), fields.get("currency")),
        *_windows(fields),
    ]
    if problems:
        return problems
    values = {name: value for name, value in fields.items() if value is not None}
    if "sources" in values:
        values["sources"] = frozenset(values["sources"])
    if "windows" in values:
        values["windows"] = dict(values["windows"])
    value = values.pop("value", None)
    if isinstance(value, Property):
        values["value_property"] = value.name
    elif value is not None:
        values["fixed_value"] = _decimal(value)
    return ConversionDefinition(**values)


def _names(fields: Mapping[str, Any]) -> list[str]:
    unknown = [
        f"unknown field {name!r}{suggest(name, _FIELDS)}" for name in fields if name not in _FIELDS
    ]
    return unknown + [f"{name} is missing" for name in _REQUIRED if fields.get(name) is None]


def _texts(fields: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{name} must be a text that is not empty"
        for name in ("id", "name")
        if (value := fields.get(name)) is not None
        and (not isinstance(value, str) or not value.strip())
    ]
    own_id, trigger = fields.get("id"), fields.get("trigger")
    if isinstance(own_id, str) and own_id.strip():
        if not _ID.fullmatch(own_id):
            problems.append(
                "id must begin with a letter or digit and hold only letters, digits, '.', '-', "
                "'_' (100 at most)"
            )
        elif own_id != REVENUE.id and own_id.lower() == REVENUE.id:
            problems.append(f"id must be {REVENUE.id!r} to replace the built-in conversion")
    if trigger is not None and not isinstance(trigger, EventPattern):
        problems.append('trigger must be on("event name") or on("*")')
    return problems


def _sources(sources: object) -> list[str]:
    if sources is None:
        return []
    if isinstance(sources, str | bytes | Mapping) or not isinstance(sources, Collection):
        return ['sources must be a list such as ["api", "inapp"]']
    if not sources:
        return ["sources is empty: nothing would ever convert; leave it out for all but inapp"]
    if not all(isinstance(source, str) and source.strip() for source in sources):
        return ["every entry of sources must be a text that is not empty"]
    return []


def _money(value: object, currency: object) -> list[str]:
    problems = []
    if isinstance(value, Property) or value is None:
        pass
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        problems.append('value must be a number or prop("name"); leave it out for the event\'s own')
    elif not _is_amount(_decimal(value)):
        problems.append(f"value must be between 0 and {MOST}, with two decimals at most")
    if currency is None:
        return problems
    if value is None:
        problems.append("currency needs a value: the event's own comes with its own currency")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        problems.append("currency must be a code of three capital letters, such as EUR")
    return problems


def _decimal(value: int | float | Decimal) -> Decimal:
    """As it was written: 19.99 and not what a float makes of it."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount <= MOST and amount == to_cents(amount)


def _windows(fields: Mapping[str, Any]) -> list[str]:
    problems = []
    if fields.get("attribution_window") is not None:
        problems += _window("attribution_window", fields["attribution_window"])
    windows = fields.get("windows")
    if windows is None:
        return problems
    if not isinstance(windows, Mapping):
        return [*problems, 'windows must be a dict such as {"email": timedelta(days=7)}']
    for channel, window in windows.items():
        if channel in CHANNELS:
            problems += _window(f"the window of {channel!r}", window)
        else:
            problems.append(
                f"windows names {channel!r}, which is no channel"
                f"{suggest(str(channel), list(CHANNELS))}; known: {', '.join(CHANNELS)}"
            )
    return problems


def _window(what: str, value: object) -> list[str]:
    if not isinstance(value, timedelta):
        return [f"{what} must be a timedelta"]
    if not timedelta(0) < value <= _LONGEST_WINDOW:
        return [f"{what} must be longer than zero and at most {_LONGEST_WINDOW.days} days"]
    return []
