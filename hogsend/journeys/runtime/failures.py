"""Decides what an exception means for an enrollment."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from hogsend.db.errors import DatabaseUnavailable
from hogsend.email.templates import TemplateError, UnknownTemplate
from hogsend.errors import ConfigError, InvalidInput, ProviderError, RateLimited
from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment
from hogsend.journeys.runtime.signals import CodeDrift, JourneyError

PATIENCE = timedelta(hours=24)
"""How long an advance is repeated while the trouble is somebody else's."""

_HOPELESS = (JourneyError, InvalidInput, ConfigError, TemplateError, UnknownTemplate)
_OLD_CODE_SECONDS = 60.0
_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 300.0
_PATIENT_FIRST_SECONDS = 5.0
_PATIENT_LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``leave``: write nothing, the lease ends by itself and the advance is repeated. A retry that
    is not ``is_counted`` uses up none of the attempts."""

    status: Literal["retry", "failed", "leave"]
    message: str
    after_seconds: float = 0.0
    is_counted: bool = True


def judge(
    error: Exception,
    enrollment: Enrollment,
    definition: JourneyDefinition,
    *,
    attempts: int,
    now: datetime,
) -> Verdict:
    """Repeat what may go better, fail what cannot or was tried ``attempts`` times.

    Trouble at a provider does not count against the attempts: it is not the journey's fault. It is
    repeated for a day, each time after as long as it has lasted.
    """
    message = explain(error, definition)
    lasted = now - (enrollment.retrying_since or now)
    if isinstance(error, DatabaseUnavailable):
        return Verdict(status="leave", message=message)
    if isinstance(error, CodeDrift) and lasted <= PATIENCE:
        # on_drift="finish_old": a worker with the old code may still come along.
        return Verdict(
            status="retry", message=message, after_seconds=_OLD_CODE_SECONDS, is_counted=False
        )
    if isinstance(error, _HOPELESS):
        return Verdict(status="failed", message=message)
    if isinstance(error, ProviderError | RateLimited):
        if lasted > PATIENCE:
            return Verdict(status="failed", message=message)
        wanted = error.retry_after_seconds or 0.0
        pause = min(max(lasted.total_seconds(), _PATIENT_FIRST_SECONDS), _PATIENT_LONGEST_SECONDS)
        return Verdict(
            status="retry", message=message, after_seconds=max(wanted, pause), is_counted=False
        )
    if enrollment.attempt + 1 >= attempts:
        return Verdict(status="failed", message=message)
    pause = backoff(enrollment.attempt, _FIRST_SECONDS, _LONGEST_SECONDS)
    return Verdict(status="retry", message=message, after_seconds=pause)


def backoff(failures: int, first: float, longest: float) -> float:
    """``first`` seconds, doubled for every failure before, at most ``longest``."""
    return min(first * 2.0 ** min(failures, 30), longest)


def explain(error: Exception, definition: JourneyDefinition) -> str:
    """Type, text, and the last line of the journey's own file, for operators."""
    home = definition.place.rpartition(":")[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == home]
    place = f" ({Path(home).name}:{frames[-1].lineno})" if frames else ""
    text = str(error).replace("\0", "")
    return f"{type(error).__name__}: {text}{place}"[:2000]
