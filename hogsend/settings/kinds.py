"""What the text of a variable may look like, and the value it becomes.

A kind's ``expects`` finishes the sentence "it must be …", so one text serves the error message
and the reference. Parsers raise ValueError; a value is never echoed, it may be a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hogsend.errors import InvalidInput
from hogsend.kernel.addresses import is_email, parse_sender
from hogsend.kernel.durations import parse_duration

T = TypeVar("T")
Word = TypeVar("Word", bound=str)

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_CRON_FIELD = re.compile(r"(?:\*|[0-9A-Za-z]+(?:-[0-9A-Za-z]+)?)(?:/[0-9]+)?")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_APP = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A parser and the words for what it accepts."""

    expects: str
    parse: Callable[[str], T]


def one_of(*values: Word) -> Kind[Word]:
    """Exactly one of the given words, case-sensitive."""
    known: dict[str, Word] = {value: value for value in values}

    def parse(text: str) -> Word:
        if text not in known:
            raise ValueError
        return known[text]

    return Kind(" or ".join((", ".join(values[:-1]), values[-1])), parse)


def whole(minimum: int, maximum: int | None = None) -> Kind[int]:
    """A whole number within bounds, both inclusive."""
    upto = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"

    def parse(text: str) -> int:
        value = _number(text)
        if value != int(value) or value < minimum or (maximum is not None and value > maximum):
            raise ValueError
        return int(value)

    return Kind(f"a whole number {upto}", parse)


def number(minimum: float) -> Kind[float]:
    """A number that is not smaller than ``minimum``."""

    def parse(text: str) -> float:
        value = _number(text)
        if value < minimum:
            raise ValueError
        return value

    return Kind(f"a number of at least {minimum:g}", parse)


def at_least(length: int) -> Kind[str]:
    """Text with a minimum length."""

    def parse(text: str) -> str:
        if len(text) < length:
            raise ValueError
        return text

    return Kind(f"at least {length} characters long", parse)


def _number(text: str) -> float:
    """Decimal, exponent or 0x notation, blanks around allowed."""
    text = text.strip()
    value = float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError


def _url(text: str) -> str:
    parts = urlsplit(text.strip())
    if not parts.scheme or not parts.netloc:
        raise ValueError
    return text.strip().rstrip("/")


def _dsn(text: str) -> str:
    parts = urlsplit(text)
    names_user = parts.username or "user=" in parts.query
    if parts.scheme not in ("postgres", "postgresql") or not names_user:
        raise ValueError
    _ = parts.port  # raises ValueError when it is not a number
    return text


def _host_port(text: str) -> str:
    parts = urlsplit(f"//{text.strip()}")
    if not parts.hostname or parts.port is None or parts.path:
        raise ValueError
    return text.strip()


def _redis(text: str) -> str:
    if urlsplit(text).scheme not in ("redis", "rediss", "unix"):
        raise ValueError
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _chosen(text: str) -> tuple[str, ...] | None:
    return None if text == "*" else _words(text)


def _email(text: str) -> str:
    if not is_email(text.strip()):
        raise ValueError
    return text.strip()


def _sender(text: str) -> str:
    try:
        parse_sender(text)
    except InvalidInput as error:
        raise ValueError from error
    return text.strip()


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != 5:
        raise ValueError
    for field in fields:
        if not all(_CRON_FIELD.fullmatch(part) for part in field.split(",")):
            raise ValueError
    return " ".join(fields)


def _proxies(text: str) -> tuple[str, ...]:
    entries = _words(text)
    for entry in entries:
        if entry.isdigit():
            if len(entries) > 1:
                raise ValueError
        else:
            ip_network(entry, strict=False)
    return entries


def _app(text: str) -> str:
    if _APP.fullmatch(text) is None:
        raise ValueError
    return text


def _caps(text: str) -> tuple[tuple[str | None, int, timedelta], ...]:
    """``3/7d`` for all mail, ``news=1/1d`` for one category."""
    rules: list[tuple[str | None, int, timedelta]] = []
    for word in _words(text):
        category, equals, rule = word.rpartition("=")
        count, slash, window = rule.partition("/")
        if not slash or (equals and not category.strip()) or int(count) < 1:
            raise ValueError
        try:
            length = parse_duration(window)
        except InvalidInput as error:
            raise ValueError from error
        rules.append((category.strip() or None, int(count), length))
    if len({rule[0] for rule in rules}) < len(rules):
        raise ValueError
    return tuple(rules)


def _hours(text: str) -> tuple[time, time]:
    start, dash, end = text.partition("-")
    if not dash or _CLOCK.fullmatch(start.strip()) is None or _CLOCK.fullmatch(end.strip()) is None:
        raise ValueError
    return time.fromisoformat(start.strip()), time.fromisoformat(end.strip())


def _rate(text: str) -> float:
    count, slash, unit = text.strip().partition("/")
    seconds = {"s": 1, "m": 60, "h": 3600}.get(unit, 0) if slash else 1
    if seconds == 0:
        raise ValueError
    value = _number(count) / seconds
    if value <= 0:
        raise ValueError
    return value


def _domain_rates(text: str) -> tuple[tuple[str, float], ...]:
    rates: list[tuple[str, float]] = []
    for word in _words(text):
        domain, equals, rate = word.partition("=")
        if not equals or not domain.strip():
            raise ValueError
        rates.append((domain.strip().lower(), _rate(rate)))
    return tuple(rates)


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text.strip()).key
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError from error


def _percent(text: str) -> float:
    return min(15.0, max(0.0, _number(text)))


TEXT: Kind[str] = Kind("text", str)
SECRET: Kind[str] = Kind("a long random text, such as from: openssl rand -hex 32", str)
PATH: Kind[Path] = Kind("a path", Path)
TRUTH: Kind[bool] = Kind("true or false (also 1, yes, on, 0, no, off)", _truth)
URL: Kind[str] = Kind("an absolute URL such as https://hogsend.example.com", _url)
DSN: Kind[str] = Kind("a PostgreSQL URL such as postgresql://user:password@host:5432/name", _dsn)
HOST_PORT: Kind[str] = Kind("an address such as engine.example.com:7077", _host_port)
REDIS: Kind[str] = Kind("a Redis URL such as redis://host:6379/0", _redis)
WORDS: Kind[tuple[str, ...]] = Kind("a list separated by commas", _words)
CHOSEN: Kind[tuple[str, ...] | None] = Kind("* for all, or ids separated by commas", _chosen)
EMAIL: Kind[str] = Kind("one email address", _email)
SENDER: Kind[str] = Kind("an address such as a@b.com or Name <a@b.com>", _sender)
CRON: Kind[str] = Kind("a cron expression of five fields, such as */5 * * * *", _cron)
PROXIES: Kind[tuple[str, ...]] = Kind(
    "networks such as 10.0.0.0/8,192.168.0.0/16, or one number of hops", _proxies
)
APP: Kind[str] = Kind("package.module:name, such as lifecycle:app", _app)
PORT: Kind[int] = whole(0, 65535)
HOLDOUT: Kind[float] = Kind("a number; kept between 0 and 15", _percent)
CAPS: Kind[tuple[tuple[str | None, int, timedelta], ...]] = Kind(
    "caps such as 3/7d or 3/7d,news=1/1d", _caps
)
HOURS: Kind[tuple[time, time]] = Kind("hours such as 08:00-21:00", _hours)
RATE: Kind[float] = Kind("a rate such as 2/s, 100/m or 5000/h", _rate)
DOMAIN_RATES: Kind[tuple[tuple[str, float], ...]] = Kind(
    "rates by domain, such as gmail.com=20/s,*=100/s", _domain_rates
)
ZONE: Kind[str] = Kind("a time zone such as Europe/Berlin", _zone)
