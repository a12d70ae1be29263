"""Commands that talk HTTP: events, doctor."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.http_api import HttpApi
from tests.unit.cli.conftest import Cli

_HEALTH: dict[str, Any] = {
    "status": "healthy",
    "schema": {
        "engine": {"applied": "0007_x", "required": "0007_x", "inSync": True, "pending": []},
        "client": {"applied": None, "required": None, "inSync": True, "pending": []},
    },
    "uptime": 1.5,
    "timestamp": "2026-01-01T00:00:00.000Z",
    "version": "0.0.1",
    "components": {
        "database": {"status": "up", "latencyMs": 1},
        "redis": {"status": "up", "latencyMs": 2},
        "worker": {"status": "up", "lastSeenAt": "2026-01-01T00:00:00.000Z"},
    },
    "activity": {},
}


def test_events_send_posts_what_was_said(line: Cli, api: HttpApi) -> None:
    api.answer = (202, {"stored": True, "contactKey": "u1"})
    line.environ = {"HOGSEND_API_URL": api.url + "/", "HOGSEND_API_KEY": "hsk_x"}

    result = line.run(
        *("events", "send", "user.signed_up", "--user-id", "u1", "--email", "a@b.example"),
        *("-p", "plan=pro", "-p", "seats=3", "-p", "trial=false"),
        *("--contact-property", "name=Ada", "--idempotency-key", "k1"),
    )

    assert result.exit_code == 0, result.output
    assert result.stdout == "stored for u1\n"
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/v1/events")
    assert asked.headers["authorization"] == "Bearer hsk_x"
    assert asked.body == {
        "name": "user.signed_up",
        "userId": "u1",
        "email": "a@b.example",
        "eventProperties": {"plan": "pro", "seats": 3, "trial": False},
        "contactProperties": {"name": "Ada"},
        "idempotencyKey": "k1",
    }


def test_events_send_duplicate_is_told_and_succeeds(line: Cli, api: HttpApi) -> None:
    api.answer = (202, {"stored": False})

    result = line.run("events", "send", "x", "--user-id", "u", "--url", api.url, "--api-key", "k")

    assert result.exit_code == 0
    assert "used before" in result.stdout


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {"error": "Unauthorized"}), "answered 401: Unauthorized"),
        ((400, {"error": "Bad", "message": "name is empty"}), "answered 400: name is empty"),
        ((502, "<html>"), "answered 502: no reason given"),
    ],
)
def test_events_send_refused_exits_one_with_the_reason(
    line: Cli, api: HttpApi, answer: tuple[int, object], reason: str
) -> None:
    api.answer = answer

    result = line.run("events", "send", "x", "--user-id", "u", "--url", api.url, "--api-key", "k")

    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stdout == ""


def test_events_send_json_error_is_on_standard_output(line: Cli, api: HttpApi) -> None:
    api.answer = (401, {"error": "Unauthorized"})

    result = line.run(
        "events", "send", "x", "--user-id", "u", "--url", api.url, "--api-key", "k", "--json"
    )

    assert result.exit_code == 1
    assert "Unauthorized" in json.loads(result.stdout)["error"]


def test_events_send_about_nobody_or_without_key_is_refused_before_sending(
    line: Cli, api: HttpApi
) -> None:
    nobody = line.run("events", "send", "x", "--url", api.url, "--api-key", "k")
    no_key = line.run("events", "send", "x", "--user-id", "u", "--url", api.url)
    no_pair = line.run(
        "events", "send", "x", "--user-id", "u", "-p", "plan", "--url", api.url, "--api-key", "k"
    )

    assert (nobody.exit_code, no_key.exit_code, no_pair.exit_code) == (1, 1, 1)
    assert "--user-id or --email" in nobody.stderr
    assert "HOGSEND_API_KEY" in no_key.stderr
    assert "KEY=VALUE" in no_pair.stderr
    assert api.asked == []


def test_events_send_reads_url_and_key_from_dotenv_last(
    line: Cli, api: HttpApi, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        f"# local\nexport HOGSEND_API_URL='{api.url}'\nHOGSEND_DATA_KEY=\"from-file\"\nbroken\n"
    )
    line.run("events", "send", "x", "--user-id", "u")
    line.environ = {"HOGSEND_API_KEY": "from-environment"}
    line.run("events", "send", "x", "--user-id", "u")

    assert [asked.headers["authorization"] for asked in api.asked] == [
        "Bearer from-file",
        "Bearer from-environment",
    ]


def test_doctor_healthy_is_ok(line: Cli, api: HttpApi) -> None:
    api.answer = (200, _HEALTH)

    result = line.run("doctor", "--url", api.url)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{api.url}: ok\n")
    assert line.run_json("doctor", "--url", api.url) == {
        "ok": True,
        "verdict": "ok",
        "baseUrl": api.url,
        **{key: _HEALTH[key] for key in ("version", "uptime", "timestamp", "components", "schema")},
        "findings": [],
    }


def test_doctor_migration_pending_reads_the_body_of_a_503(line: Cli, api: HttpApi) -> None:
    engine = {"applied": None, "required": "0007_x", "inSync": False, "pending": ["0007_x"]}
    schema = {**_HEALTH["schema"], "engine": engine}
    api.answer = (503, {**_HEALTH, "status": "migration_pending", "schema": schema})

    result = line.run("doctor", "--url", api.url)

    assert result.exit_code == 1
    assert "migration_pending" in result.stdout
    assert "pending: 0007_x" in result.stdout
    assert "hogsend migrate" in result.stderr


def test_doctor_degraded_exits_one_and_a_missing_worker_is_told(line: Cli, api: HttpApi) -> None:
    components = {**_HEALTH["components"], "worker": {"status": "down"}}
    api.answer = (200, {**_HEALTH, "status": "degraded", "components": components})

    result = line.run("doctor", "--url", api.url)

    assert result.exit_code == 1
    assert "no worker has been seen" in result.stderr


@pytest.mark.parametrize("answer", [(200, "<html>"), (404, {"error": "Not found"}), (200, [])])
def test_doctor_somebody_else_answers_is_unreachable(
    line: Cli, api: HttpApi, answer: tuple[int, object]
) -> None:
    api.answer = answer

    result = line.run("doctor", "--url", api.url, "--json")

    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["ok"], told["verdict"], told["baseUrl"]) == (False, "unreachable", api.url)


def test_doctor_nobody_listens_is_unreachable_with_advice(line: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    result = line.run("doctor", "--url", f"http://127.0.0.1:{port}")

    assert result.exit_code == 1
    assert result.stderr.startswith("unreachable:")
    assert "HOGSEND_API_URL" in result.stderr


def test_doctor_url_without_scheme_is_refused(line: Cli) -> None:
    result = line.run("doctor", "--url", "localhost:3002")

    assert result.exit_code == 1
    assert "http://" in result.stderr
