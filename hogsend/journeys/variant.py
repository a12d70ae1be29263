"""Which arm of a test a person gets: pure, and the same every time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from hogsend.errors import InvalidInput
from hogsend.kernel.hashing import bucket_of

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_BUCKETS = 10_000


def variant_bucket(journey_id: str, key: str, user_id: str) -> int:
    """0..9999 for one person in one test."""
    return bucket_of(f"variant:{journey_id}:{key}:{user_id}")


def choose_variant(journey_id: str, key: str, user_id: str, arms: Sequence[str]) -> str:
    """The person's arm; all arms are equally likely. Raises InvalidInput for a bad key or arms."""
    check_variant(key, arms)
    bucket = variant_bucket(journey_id, key, user_id)
    for index, arm in enumerate(arms[:-1], start=1):
        if bucket < _threshold(index, len(arms)):
            return arm
    return arms[-1]


def check_variant(key: str, arms: Sequence[str]) -> None:
    """Raise InvalidInput unless the key is short and plain and the arms are different texts."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{key!r} cannot name a variant",
            hint="use 1 to 64 letters, digits, dots, dashes and underscores",
        )
    if isinstance(arms, str) or not arms:
        raise InvalidInput(f"variant {key!r} needs a list of arms")
    if any(not isinstance(arm, str) or not arm for arm in arms):
        raise InvalidInput(f"the arms of variant {key!r} must be non-empty strings")
    if len(set(arms)) != len(arms):
        raise InvalidInput(f"variant {key!r} names an arm twice")


def _threshold(index: int, count: int) -> int:
    # Half away from zero, not to even: recorded tests were split this way.
    return math.floor(index / count * _BUCKETS + 0.5)
