from __future__ import annotations

import json

from tests.fakes.http_api import HttpApi
from tests.unit.cli.conftest import Cli

ADA = {
    "id": "c1", "externalId": "u1", "email": "ada@x.co", "properties": {"plan": "pro"},
    "firstSeenAt": "2026-01-01T00:00:00.000Z", "lastSeenAt": "2026-01-02T00:00:00.000Z",
}  # fmt: skip


def test_contacts_get_asks_for_the_keys_and_shows_the_person(line: Cli, api: HttpApi) -> None:
    api.answer = (200, {"contacts": [ADA]})
    line.environ = {"HOGSEND_API_URL": api.url, "HOGSEND_API_KEY": "hsk_x"}

    shown = line.run("contacts", "get", "--email", "ada+1@x.co")
    told = line.run_json("contacts", "get", "--user-id", "u1")

    assert shown.exit_code == 0
    assert "properties.plan" in shown.stdout
    assert told == [ADA]
    assert [asked.path for asked in api.asked] == [
        "/v1/contacts/find?email=ada%2B1%40x.co",
        "/v1/contacts/find?userId=u1",
    ]
    assert api.asked[0].headers["authorization"] == "Bearer hsk_x"


def test_contacts_get_nobody_exits_one(line: Cli, api: HttpApi) -> None:
    api.answer = (200, {"contacts": []})
    line.environ = {"HOGSEND_API_URL": api.url, "HOGSEND_API_KEY": "hsk_x"}

    plain = line.run("contacts", "get", "--user-id", "u9")
    as_json = line.run("contacts", "get", "--user-id", "u9", "--json")
    unnamed = line.run("contacts", "get")

    assert (plain.exit_code, as_json.exit_code, unnamed.exit_code) == (1, 1, 1)
    assert "no contact" in plain.stderr
    assert "no contact" in json.loads(as_json.stdout)["error"]
    assert "--user-id" in unnamed.stderr


def test_contacts_list_pages_and_filters(line: Cli, api: HttpApi) -> None:
    api.answer = (200, {"contacts": [ADA], "total": 7, "limit": 1, "offset": 2})
    line.environ = {"HOGSEND_API_URL": api.url, "HOGSEND_API_KEY": "hsk_x"}

    shown = line.run(
        *("contacts", "list", "--search", "ada", "--identity", "identified"),
        *("--limit", "1", "--offset", "2"),
    )
    told = line.run_json("contacts", "list")

    assert shown.stdout.splitlines()[-1] == "1 of 7"
    assert "ada@x.co" in shown.stdout
    assert told["total"] == 7
    assert api.asked[0].path == (
        "/v1/admin/contacts?search=ada&identity=identified&limit=1&offset=2"
    )


def test_contacts_list_refused_exits_one_with_the_reason(line: Cli, api: HttpApi) -> None:
    api.answer = (403, {"error": "Forbidden: insufficient scope"})

    result = line.run("contacts", "list", "--url", api.url, "--api-key", "k")

    assert result.exit_code == 1
    assert "insufficient scope" in result.stderr
