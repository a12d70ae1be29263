from __future__ import annotations

from tests.fakes.http_api import HttpApi
from tests.unit.cli.conftest import Cli

PAID = {
    "id": "c1", "definitionId": "revenue", "contactId": "k1", "contactEmail": "ada@x.co",
    "value": 12.5, "currency": "EUR", "scopeJourneyId": None, "scopeCampaignId": None,
    "occurredAt": "2026-01-01T00:00:00.000Z", "dispatches": [],
}  # fmt: skip
COUNT = {
    "definitionId": "revenue", "count30d": 3, "countLifetime": 9,
    "lastFiredAt": "2026-01-01T00:00:00.000Z",
}  # fmt: skip


def test_conversions_list_pages_and_filters(line: Cli, api: HttpApi) -> None:
    api.answer = (200, {"conversions": [PAID], "limit": 1, "offset": 2})
    line.environ = {"HOGSEND_API_URL": api.url, "HOGSEND_API_KEY": "hsk_x"}

    shown = line.run(
        *("conversions", "list", "--definition", "revenue", "--sort", "value", "--dir", "asc"),
        *("--limit", "1", "--offset", "2"),
    )
    told = line.run_json("conversions", "list")

    assert shown.stdout.splitlines()[1].split() == [
        "2026-01-01T00:00:00.000Z", "revenue", "12.5", "EUR", "k1", "ada@x.co",
    ]  # fmt: skip
    assert told["conversions"] == [PAID]
    assert [asked.path for asked in api.asked] == [
        "/v1/admin/conversions?definitionId=revenue&sort=value&dir=asc&limit=1&offset=2",
        "/v1/admin/conversions?sort=occurredAt&dir=desc&limit=50&offset=0",
    ]


def test_conversions_stats_shows_the_counts(line: Cli, api: HttpApi) -> None:
    api.answer = (200, {"definitions": [COUNT], "destinations": []})
    line.environ = {"HOGSEND_API_URL": api.url, "HOGSEND_API_KEY": "hsk_x"}

    shown = line.run("conversions", "stats")
    told = line.run_json("conversions", "stats")

    assert shown.stdout.splitlines()[1].split()[:3] == ["revenue", "3", "9"]
    assert told["definitions"] == [COUNT]
    assert api.asked[0].path == "/v1/admin/conversions/stats"
    assert api.asked[0].headers["authorization"] == "Bearer hsk_x"


def test_conversions_refused_say_why(line: Cli, api: HttpApi) -> None:
    api.answer = (403, {"error": "Forbidden"})
    line.environ = {"HOGSEND_API_URL": api.url, "HOGSEND_API_KEY": "hsk_x"}

    refused = line.run("conversions", "stats")

    assert refused.exit_code == 1
    assert "Forbidden" in refused.stderr
