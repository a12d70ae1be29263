from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hogsend import App, on
from hogsend.db.errors import DatabaseError, DatabaseUnavailable
from hogsend.email.templates import TemplateError, UnknownTemplate
from hogsend.errors import (
    ConfigError,
    InvalidInput,
    ProviderPermanent,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.journeys.models import Enrollment
from hogsend.journeys.runtime.failures import Verdict, backoff, judge
from hogsend.journeys.runtime.signals import JourneyError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=5)  # no worker was there: that is nobody's trouble


async def run(user: object, ctx: object) -> None:
    """A journey."""


def enrollment(*, attempt: int = 0, retrying_since: datetime | None = None) -> Enrollment:
    return Enrollment(
        outbox_id=1, id=UUID(int=1), generation=1, attempt=attempt, journey_id="j", user_id="u",
        user_email="", contact_id=None, properties={}, version_hash=None, trigger_event_id=None,
        created_at=NOW, ready_at=LONG_AGO, began_at=NOW, contact_name=None, timezone=None,
        steps=(), wait=None, retrying_since=retrying_since,
    )  # fmt: skip


def verdict(error: Exception, *, now: datetime = NOW, **given: Any) -> Verdict:
    app = App(__name__)
    app.journey(id="j", name="J", trigger=on("x"))(run)
    return judge(error, enrollment(**given), app.journeys["j"], attempts=3, now=now)


@pytest.mark.parametrize(
    "error",
    [
        JourneyError("x"),
        InvalidInput("x"),
        ConfigError("x"),
        TemplateError("t", "x"),
        UnknownTemplate("t", []),
    ],
)
def test_judge_what_can_never_work_is_failed_at_once(error: Exception) -> None:
    assert verdict(error).status == "failed"


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), DatabaseError("x")])
def test_judge_other_errors_are_repeated_until_the_attempts_are_used(error: Exception) -> None:
    assert [verdict(error, attempt=n).status for n in range(3)] == ["retry", "retry", "failed"]
    assert [verdict(error, attempt=n).after_seconds for n in range(2)] == [1.0, 2.0]


@pytest.mark.parametrize("kind", [ProviderTransient, ProviderUnknown, ProviderPermanent])
def test_judge_trouble_outside_is_repeated_for_a_day(kind: type[ProviderTransient]) -> None:
    first = verdict(kind("x"))
    young = verdict(kind("x"), retrying_since=NOW - timedelta(hours=23))
    old = verdict(kind("x"), retrying_since=NOW - timedelta(hours=25))

    assert (first.status, first.after_seconds, first.is_counted) == ("retry", 5.0, False)
    assert (young.status, young.after_seconds, young.is_counted) == ("retry", 600.0, False)
    assert old.status == "failed"


def test_judge_provider_says_when() -> None:
    assert verdict(ProviderTransient("x", retry_after_seconds=77)).after_seconds == 77


def test_judge_lost_database_leaves_everything_to_the_lease() -> None:
    assert verdict(DatabaseUnavailable("gone")).status == "leave"


def test_judge_message_has_no_character_the_database_refuses() -> None:
    message = verdict(RuntimeError("a\0b" + "x" * 5000)).message

    assert message.startswith("RuntimeError: abxxx")
    assert len(message) <= 2000


def test_backoff_doubles_up_to_its_limit() -> None:
    assert [backoff(n, 1.0, 10.0) for n in (0, 1, 2, 3, 4, 400)] == [1, 2, 4, 8, 10, 10]
