"""Who is kept out on purpose, so that the effect of the rest can be measured.

Pure and frozen: the answer for a person never changes while id, salt and percent stay.
"""

from __future__ import annotations

from hogsend.kernel.hashing import bucket_of

DEFAULT_GLOBAL_SALT = "global-control"
_BUCKETS_PER_PERCENT = 100


def holdout_bucket(journey_id: str, user_id: str, *, salt: str | None = None) -> int:
    """0..9999 for one person in one journey; the salt defaults to the id of the journey."""
    return bucket_of(f"{salt or journey_id}:{journey_id}:{user_id}")


def is_held_out(journey_id: str, user_id: str, *, percent: float, salt: str | None = None) -> bool:
    """True for ``percent`` of all people, the same ones every time."""
    return holdout_bucket(journey_id, user_id, salt=salt) < percent * _BUCKETS_PER_PERCENT


def global_control_bucket(key: str, *, salt: str = DEFAULT_GLOBAL_SALT) -> int:
    """0..9999 for one person over all journeys; ``key`` is a user id or an address, in any case."""
    return bucket_of(f"{salt}:GLOBAL:{key.lower()}")


def is_global_control(key: str, *, percent: float, salt: str = DEFAULT_GLOBAL_SALT) -> bool:
    """True for the ``percent`` of all people who get no mail that is not transactional."""
    return global_control_bucket(key, salt=salt) < percent * _BUCKETS_PER_PERCENT
