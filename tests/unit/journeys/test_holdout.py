"""Frozen buckets: changing them would move people between control and treatment."""

from __future__ import annotations

import pytest

from hogsend.journeys.holdout import (
    global_control_bucket,
    holdout_bucket,
    is_global_control,
    is_held_out,
)


@pytest.mark.parametrize(
    ("user_id", "salt", "bucket"),
    [("user-1", None, 4716), ("user-2", None, 1471), ("user-1", "s2", 9555)],
)
def test_holdout_bucket_equals_the_frozen_vector(
    user_id: str, salt: str | None, bucket: int
) -> None:
    assert holdout_bucket("welcome", user_id, salt=salt) == bucket


@pytest.mark.parametrize(("key", "bucket"), [("user-1", 785), ("a@b.co", 1630), ("A@B.co", 1630)])
def test_global_bucket_equals_the_frozen_vector(key: str, bucket: int) -> None:
    assert global_control_bucket(key) == bucket


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, False), (14.7, False), (14.71, False), (14.72, True), (50, True)]
)
def test_holdout_keeps_out_buckets_below_the_percent(percent: float, expected: bool) -> None:
    assert is_held_out("welcome", "user-2", percent=percent) is expected  # bucket 1471


def test_global_control_keeps_out_buckets_below_the_percent() -> None:
    assert is_global_control("user-1", percent=7.86)
    assert not is_global_control("user-1", percent=7.85)
    assert not is_global_control("user-1", percent=0)


def test_holdout_keeps_out_about_its_percent() -> None:
    kept_out = sum(is_held_out("welcome", f"person-{n}", percent=10) for n in range(20_000))

    assert 1_850 < kept_out < 2_150
