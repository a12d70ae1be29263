"""Frozen arms: changing them would re-roll every running test."""

from __future__ import annotations

from collections import Counter

import pytest

from hogsend.errors import InvalidInput
from hogsend.journeys.variant import choose_variant, variant_bucket


@pytest.mark.parametrize(
    ("journey_id", "key", "user_id", "bucket"),
    [
        ("activation-welcome", "welcome-subject", "user-1", 8045),
        ("activation-welcome", "welcome-subject", "user-2", 7592),
        ("j2", "k2", "user-1", 4296),
    ],
)
def test_variant_bucket_equals_the_frozen_vector(
    journey_id: str, key: str, user_id: str, bucket: int
) -> None:
    assert variant_bucket(journey_id, key, user_id) == bucket


def test_variant_of_two_arms_splits_in_the_middle() -> None:
    assert choose_variant("activation-welcome", "welcome-subject", "user-1", ["a", "b"]) == "b"
    assert choose_variant("j2", "k2", "user-1", ["a", "b"]) == "a"


def test_variant_threshold_rounds_half_away_from_zero() -> None:
    # 1/32 of 10000 is 312.5: bucket 312 belongs to the first arm only when it rounds to 313.
    user_id = next(f"u{n}" for n in range(100_000) if variant_bucket("j", "k", f"u{n}") == 312)

    assert choose_variant("j", "k", user_id, [f"arm-{n}" for n in range(32)]) == "arm-0"


def test_variant_arms_get_about_equal_shares() -> None:
    shares = Counter(choose_variant("j", "k", f"u{n}", ["a", "b", "c"]) for n in range(9_000))

    assert set(shares) == {"a", "b", "c"}
    assert all(2_850 < share < 3_150 for share in shares.values())


def test_variant_of_one_arm_is_that_arm() -> None:
    assert choose_variant("j", "k", "u", ["only"]) == "only"


@pytest.mark.parametrize(
    ("key", "arms"),
    [
        ("", ["a"]),
        ("-x", ["a"]),
        ("x" * 65, ["a"]),
        ("a b", ["a"]),
        ("k", []),
        ("k", ["a", "a"]),
        ("k", ["a", ""]),
        ("k", "ab"),
        ("k", ["a", 1]),
    ],
)
def test_variant_with_a_bad_key_or_arms_is_refused(key: str, arms: list[str]) -> None:
    with pytest.raises(InvalidInput):
        choose_variant("j", key, "u", arms)
