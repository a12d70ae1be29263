"""Values that are decided once: ``once``, ``variant``, ``throttle``, ``is_subscribed``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from hogsend.email.policy import TRANSACTIONAL
from hogsend.journeys import reads
from hogsend.journeys.meta import LONGEST_SPAN
from hogsend.journeys.runtime.calls import check_label
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.journeys.runtime.waits import check_span
from hogsend.journeys.variant import choose_variant
from hogsend.kernel.wire_json import JsonValue
from hogsend.kernel.words import suggest
from hogsend.preferences.store import get_preferences


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """``count`` mails went out in the window; advisory, nothing is reserved."""

    allowed: bool
    count: int
    remaining: int

    def __bool__(self) -> bool:
        return self.allowed


async def once(
    passage: Passage, key: str, compute: Callable[[], Awaitable[JsonValue] | JsonValue]
) -> JsonValue:
    """The recorded value of a key, computed the first time; it must be JSON."""
    if key is None:
        raise JourneyError("ctx.once needs a key")
    check_label("ctx.once", key)
    full = f"once:{key}"
    step = passage.find(full)
    if step is None:
        step = passage.keep(full, "once", await _compute(passage, full, compute))
    passage.raise_recorded(step)
    return step.value


async def _compute(
    passage: Passage, key: str, compute: Callable[[], Awaitable[JsonValue] | JsonValue]
) -> JsonValue:
    if not callable(compute):
        raise JourneyError(
            f"{key!r} needs a function", hint="write ctx.once('key', lambda: value())"
        )
    passage.is_computing = True  # here, and only here, clocks and random numbers are welcome
    try:
        value = compute()
        return await value if inspect.isawaitable(value) else value
    except Exception as error:
        passage.offer(key, error)
        raise
    finally:
        passage.is_computing = False


async def variant(passage: Passage, key: str, arms: Sequence[str]) -> str:
    """The person's arm of a test; a recorded arm stays, whatever the arms are now."""
    full = f"variant:{key}"
    step = passage.find(full)
    if step is None or not isinstance(step.value, str):
        arm = choose_variant(passage.definition.meta.id, key, passage.enrollment.user_id, arms)
        step = passage.keep(full, "variant", arm)
    arm = str(step.value)
    mirrored = passage.enrollment.properties.get("__variants__")
    if not isinstance(mirrored, dict) or mirrored.get(key) != arm:
        passage.variants[key] = arm  # readouts group by it
    return arm


async def throttle(
    passage: Passage,
    *,
    limit: int,
    window: timedelta,
    category: str | None,
    label: str | None,
) -> Throttle:
    """Whether fewer than ``limit`` mails went to the person within ``window``."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise JourneyError("the limit of ctx.throttle must be a whole number of at least 1")
    millis = round(check_span("the window of ctx.throttle", window, longest=LONGEST_SPAN) * 1000)
    place = f"{label or passage.site or 'start'}:{category or '*'}:{limit}/{millis}"
    check_category(passage, "ctx.throttle", category)
    services, address = passage.services, passage.enrollment.user_email

    async def count() -> JsonValue:
        found = 0
        if address:
            found = await services.offload.query(
                reads.count_sends, services.db, address, window=window, category=category
            )
        return {"allowed": found < limit, "count": found, "remaining": max(0, limit - found)}

    value = cast(dict[str, Any], await passage.record("throttle", place, count))
    return Throttle(**value)


async def is_subscribed(passage: Passage, category: str | None) -> bool:
    """Whether the person takes mail, of a category or at all, by the rules of the mailer."""
    services, enrollment = passage.services, passage.enrollment
    check_category(passage, "ctx.is_subscribed", category)

    async def read() -> JsonValue:
        answers = await services.offload.query(
            get_preferences,
            services.db,
            user_id=None if enrollment.contact_id else enrollment.user_id,
            email=enrollment.user_email or None,
            contact_id=enrollment.contact_id,
        )
        if answers.suppressed or category == TRANSACTIONAL:
            return not answers.suppressed
        if answers.unsubscribed_all or category is None:
            return not answers.unsubscribed_all
        return answers.categories.get(category, services.categories.get(category, True))

    return bool(await passage.record("subscribed", category or "*", read))


def check_category(passage: Passage, what: str, category: str | None) -> None:
    """Raise JourneyError for a category that no list of the app has."""
    known = passage.services.categories
    if category is None or not known or category in known:
        return
    raise JourneyError(
        f"{what}: no list is called {category!r}{suggest(str(category), sorted(known))}",
        hint=f"known: {', '.join(sorted(known))}",
    )


async def checkpoint(passage: Passage, label: str) -> None:
    """Names the place the person has reached; effects after it belong to it."""
    if label is None:
        raise JourneyError("ctx.checkpoint needs a label")
    check_label("ctx.checkpoint", label)
    key = passage.journal.next_key("checkpoint", label)
    if passage.find(key) is None:
        passage.keep(key, "checkpoint", None)
        passage.log("checkpoint", label)
    passage.site = key.removeprefix("checkpoint:")
    passage.node = label
