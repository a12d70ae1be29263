"""Five-field cron in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hogsend.errors import ConfigError
from hogsend.orchestrator.cron import parse_cron


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("* * * * *", "2026-03-01T10:00:00", "2026-03-01T10:01:00"),
        ("* * * * *", "2026-03-01T10:00:59", "2026-03-01T10:01:00"),
        ("*/5 * * * *", "2026-03-01T10:03:00", "2026-03-01T10:05:00"),
        ("*/5 * * * *", "2026-03-01T10:55:00", "2026-03-01T11:00:00"),
        ("0 9 * * 1", "2026-03-02T09:00:00", "2026-03-09T09:00:00"),
        ("0 9 * * 1", "2026-03-01T23:59:00", "2026-03-02T09:00:00"),
        ("30 2 29 2 *", "2026-03-01T00:00:00", "2028-02-29T02:30:00"),
        ("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 13 * 5", "2026-03-01T00:00:00", "2026-03-06T00:00:00"),
        ("0 0 1-7/3 * *", "2026-03-01T00:00:00", "2026-03-04T00:00:00"),
        ("5,35 8-10 * * *", "2026-03-01T10:05:00", "2026-03-01T10:35:00"),
        ("0 0 31 * *", "2026-04-01T00:00:00", "2026-05-31T00:00:00"),
        ("59 23 31 12 *", "2026-12-31T23:59:00", "2027-12-31T23:59:00"),
        ("0 12 * * 0", "2026-03-02T00:00:00", "2026-03-08T12:00:00"),
    ],
)
def test_next_after_any_expression_finds_first_match(
    expression: str, after: str, expected: str
) -> None:
    instant = datetime.fromisoformat(after).replace(tzinfo=UTC)

    found = parse_cron(expression).next_after(instant)

    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "* * * * MON",
        "@daily",
        "5/10 * * * *",
        "*/0 * * * *",
        "9-5 * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "\u0661 * * * *",
    ],
)
def test_parse_cron_bad_expression_is_config_error(expression: str) -> None:
    with pytest.raises(ConfigError):
        parse_cron(expression)


def test_next_after_impossible_date_is_config_error() -> None:
    cron = parse_cron("0 0 30 2 *")

    with pytest.raises(ConfigError):
        cron.next_after(datetime(2026, 1, 1, tzinfo=UTC))
