"""Finds everything that is wrong with a declaration, instead of the first thing."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

from hogsend.conditions.pattern import EventPattern
from hogsend.journeys.meta import LONGEST_SPAN, Entry, Holdout, JourneyMeta, OnDrift
from hogsend.kernel.words import suggest

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_FIELDS = {field.name for field in dataclasses.fields(JourneyMeta)}
_REQUIRED = ("id", "name", "trigger")
_ENTRY_KINDS = ("once", "once_per_period", "unlimited")
_LONGEST_LABEL = 64
_MOST_HELD_OUT = 50


def check_fields(fields: Mapping[str, Any]) -> JourneyMeta | list[str]:
    """The checked declaration, or every problem it has."""
    problems = [*_names(fields), *_texts(fields), *_patterns(fields), *_rules(fields)]
    if problems:
        return problems
    values = {name: value for name, value in fields.items() if value is not None}
    values["exit_on"] = tuple(values.get("exit_on", ()))
    return JourneyMeta(**values)


def check_function(function: object) -> list[str]:
    """A journey is an async function of two arguments."""
    if inspect.isasyncgenfunction(function):
        return ["must not `yield`: a journey awaits the calls of ctx"]
    if not inspect.iscoroutinefunction(function):
        return ["must be an async function: write `async def name(user, ctx):`"]
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) != 2 or any(
        p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters
    ):
        return ["must take two arguments: `async def name(user, ctx):`"]
    return []


def _names(fields: Mapping[str, Any]) -> list[str]:
    unknown = [
        f"unknown field {name!r}{suggest(name, sorted(_FIELDS))}"
        for name in fields
        if name not in _FIELDS
    ]
    return unknown + [f"{name} is missing" for name in _REQUIRED if fields.get(name) is None]


def _texts(fields: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    for name in ("id", "name", "description", "category", "goal", "version"):
        value = fields.get(name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            problems.append(f"{name} must be a text that is not empty")
    journey_id = fields.get("id")
    if isinstance(journey_id, str) and journey_id and not _ID.fullmatch(journey_id):
        problems.append(
            "id must begin with a letter or digit and hold only letters, digits, '.', '-', '_' "
            "(100 at most)"
        )
    version = fields.get("version")
    if isinstance(version, str) and len(version) > _LONGEST_LABEL:
        problems.append(f"version is longer than {_LONGEST_LABEL} characters")
    return problems


def _patterns(fields: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    trigger = fields.get("trigger")
    if trigger is not None and not isinstance(trigger, EventPattern):
        problems.append('trigger must be on("event name")')
    exits = fields.get("exit_on")
    if exits is None:
        return problems
    if not isinstance(exits, list | tuple):
        problems.append('exit_on must be a list of on("event name")')
    elif not all(isinstance(pattern, EventPattern) for pattern in exits):
        problems.append('every entry of exit_on must be on("event name")')
    return problems


def _rules(fields: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    if not isinstance(fields.get("enabled", True), bool):
        problems.append("enabled must be True or False")
    if fields.get("on_drift", "continue") not in get_args(OnDrift):
        problems.append(f"on_drift must be one of {', '.join(get_args(OnDrift))}")
    problems += _entry(fields.get("entry"))
    if fields.get("min_gap") is not None:
        problems += _duration("min_gap", fields["min_gap"], hint="leave it out for no gap")
    return problems + _holdout(fields.get("holdout"))


def _entry(entry: object) -> list[str]:
    if entry is None:
        return []
    if not isinstance(entry, Entry) or entry.kind not in _ENTRY_KINDS:
        return ["entry must be Entry.once(), Entry.once_per(...) or Entry.unlimited()"]
    if entry.kind == "once_per_period":
        return _duration("the period of entry", entry.period)
    return [] if entry.period is None else ["only Entry.once_per(...) has a period"]


def _duration(what: str, value: object, *, hint: str | None = None) -> list[str]:
    if not isinstance(value, timedelta):
        return [f"{what} must be a timedelta"]
    if value <= timedelta(0):
        return [f"{what} must be longer than zero{f'; {hint}' if hint else ''}"]
    if value > LONGEST_SPAN:
        return [f"{what} is longer than a hundred years"]
    return []


def _holdout(holdout: object) -> list[str]:
    if holdout is None:
        return []
    if not isinstance(holdout, Holdout):
        return ["holdout must be Holdout(percent=...)"]
    percent = holdout.percent
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        return ["the percent of holdout must be a number"]
    if not 0 <= percent <= _MOST_HELD_OUT:
        return [f"the percent of holdout must be between 0 and {_MOST_HELD_OUT}"]
    salt: object = holdout.salt
    if salt is not None and (not isinstance(salt, str) or not salt.strip()):
        return ["the salt of holdout must be a text that is not empty"]
    return []
