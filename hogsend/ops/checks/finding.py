"""What a check found out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor: ``fix`` says what to do about anything that is not ``ok``."""

    subject: str
    verdict: Verdict
    message: str
    fix: str | None = None


Check = Callable[[], Sequence[Finding]]


def ok(subject: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(subject=subject, verdict="ok", message=message)


def warning(subject: str, message: str, fix: str) -> Finding:
    """Works, but somebody should know."""
    return Finding(subject=subject, verdict="warning", message=message, fix=fix)


def problem(subject: str, message: str, fix: str) -> Finding:
    """Does not work."""
    return Finding(subject=subject, verdict="problem", message=message, fix=fix)
