from __future__ import annotations

import pytest

from hogsend.telemetry.redact import REDACTED, redact, redact_text

KEY = "hsk_" + "aB3-_" * 8


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "cookie",
        "Set-Cookie",
        "password",
        "smtp_password",
        "secret",
        "webhook_secret",
        "token",
        "hatchet_client_token",
        "api_key",
        "apiKey",
        "x-api-key",
        "database_dsn",
    ],
)
def test_field_with_a_secret_name_is_redacted_at_every_depth(name: str) -> None:
    event = redact(None, "info", {"event": "x", name: "v1", "headers": [{name: "v2"}]})

    assert event[name] == REDACTED
    assert event["headers"] == [{name: REDACTED}]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"key {KEY} used", KEY[4:]),
        (f"pk_{'x' * 43}", "x" * 43),
        ("postgresql://app:s3cr3t@db:5432/app", "s3cr3t"),
        ("redis://:s3cr3t@r:6379", "s3cr3t"),
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ0In0.c2ln", "eyJzdWIiOiJ0In0"),
        ("GET /reset?token=abc123&next=/", "abc123"),
    ],
)
def test_secret_inside_a_text_is_redacted(text: str, hidden: str) -> None:
    redacted = redact_text(text)

    assert hidden not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize(
    "text",
    ["ada@example.com", "https://example.com/a:b", "first-week:welcome", "hsk_short", "a token"],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact_text(text) == text


def test_numbers_under_a_secret_name_stay() -> None:
    assert redact(None, "info", {"event": "x", "has_token": True})["has_token"] is True


def test_the_line_that_shows_a_secret_once_stays_whole() -> None:
    line = f"[api-keys] First-boot ingest API key (shown once, save it now): {KEY}"

    assert redact(None, "warning", {"event": line})["event"] == line
    assert KEY not in str(redact(None, "warning", {"event": "other", "text": line}))


def test_deep_nesting_ends() -> None:
    deep: dict[str, object] = {}
    deep["self"] = deep

    assert REDACTED in str(redact(None, "info", {"event": "x", "deep": deep}))
