"""A mail as the mailer really sends it, against scanners and people, on the assembled routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from hogsend.container.mail_returns import (
    build_links,
    build_lists,
    build_rewriter,
    public_routes,
    topics,
)
from hogsend.container.parts import Parts, lay
from hogsend.db import Query
from hogsend.email import SendRequest
from hogsend.email.providers.base import Capabilities, ProviderReceipt, WireMessage
from hogsend.email.wiring import build_mailer
from hogsend.kernel.ids import uuid7
from hogsend.outbox.models import Done, OutboxRow
from hogsend.preferences.write import PreferenceWriter
from hogsend.settings import load
from hogsend.web.app import build_app
from tests.integration.tracking.world import READER, TABLES

pytestmark = pytest.mark.integration

TEMPLATE = """\
<html><body>
<a href="https://x.test/one?a=1&amp;b=2">1</a> <a href='https://x.test/two'>2</a>
<a href="https://x.test/three" data-hs-event="poll" data-hs-props='{"value": 1}'>3</a>
<a href="mailto:a@b.test">write</a> <a href="{{ unsubscribe_url }}">leave</a>
<a href="{{ preferences_url }}">choose</a>
</body></html>
"""
AGENTS = [
    READER["User-Agent"], "Slackbot 1.0", "facebookexternalhit/1.1", "Mimecast", "curl/8", "",
    "Mozilla/5.0 (compatible; Googlebot/2.1)", "Barracuda Sentinel", "python-requests/2", "Java/17",
]  # fmt: skip


class Postbox:
    """A provider that keeps what it is given."""

    name = "postbox"
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.messages: list[WireMessage] = []

    def send(self, message: WireMessage) -> ProviderReceipt:
        self.messages.append(message)
        return ProviderReceipt(message_id=f"m{len(self.messages)}")

    def close(self) -> None:
        pass


class House:
    """The real container's parts around one database."""

    def __init__(self, parts: Parts, templates: Path) -> None:
        self.parts = parts
        self.postbox = Postbox()
        self.mailer = build_mailer(
            parts.settings,
            parts.db,
            template_dirs=[templates],
            clock=parts.clock,
            new_id=uuid7,
            provider=self.postbox,
            urls=build_links(parts),
            decorators=[build_rewriter(parts)],
            is_opt_in=build_lists(parts).is_opt_in,
        )
        routes = public_routes(
            parts, registry=build_lists(parts), writer=PreferenceWriter(parts.db)
        )
        self.client = falcon.testing.TestClient(build_app(routes))

    def send(self, category: str = "news") -> str:
        """The outcome of one mail."""
        return self.mailer.send(
            SendRequest(template="letter", to="ada@example.org", category=category)
        ).status

    def call(self, url: str, agent: str, *, method: str = "GET", body: str = "") -> int:
        path, _, query = url.removeprefix(self.parts.settings.api_public_url).partition("?")
        headers = {"User-Agent": agent, "Content-Type": "application/x-www-form-urlencoded"}
        return self.client.simulate_request(
            method, path, query_string=query, headers=headers, body=body
        ).status_code

    def work(self) -> None:
        handlers = {handler.topic: handler for handler in topics(self.parts, self.mailer)}
        for row in self.sql("SELECT id, topic, subject, ref_id, payload FROM outbox ORDER BY id"):
            outbox_row = OutboxRow(
                id=row[0], topic=row[1], subject=row[2], ref_id=row[3], payload=row[4],
                priority=2, attempts=1,
            )  # fmt: skip
            assert handlers[row[1]].deliver([outbox_row]) == [Done()]
            self.sql("DELETE FROM outbox WHERE id = :id", id=row[0])

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.parts.db.run(Query.parse("test", text), **params)

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table: self.sql(
                f"SELECT to_jsonb(t) - 'machine_opened_at' - 'updated_at' FROM {table} t "
                "ORDER BY to_jsonb(t)::text"
            )
            for table in TABLES
        }


@pytest.fixture
def house(dsn: str, redis_url: str, tmp_path: Path) -> Iterator[House]:
    (tmp_path / "letter.html").write_text(f"---\nsubject: Hello\n---\n{TEMPLATE}")
    content = tmp_path / "content"
    content.mkdir()
    (content / "scanned_app.py").write_text(
        "from hogsend import App\napp = App('scanned')\napp.list('news', name='News')\n"
    )
    settings = load(
        {
            "DATABASE_URL": dsn,
            "REDIS_URL": redis_url,
            "BETTER_AUTH_SECRET": "a secret that is long enough for tests",
            "HOGSEND_ORCHESTRATOR": "local",
            "HOGSEND_APP": "scanned_app:app",
            "HOGSEND_CONTENT_DIR": str(content),
            "API_PUBLIC_URL": "https://mail.x.test",
            "EMAIL_FROM": "hello@x.test",
        },
        mode="worker",
    )
    parts = lay(settings, threads=4, mode="worker")
    try:
        yield House(parts, tmp_path)
    finally:
        parts.closing.close()


def test_scanners_on_every_link_and_header_of_a_mail_change_nothing(house: House) -> None:
    assert house.send() == "sent"
    (message,) = house.postbox.messages
    hrefs = [unescape(url) for url in re.findall(r'(?:href|src)="(http[^"]+)"', message.html)]
    urls = [*hrefs, message.headers["List-Unsubscribe"].strip("<>")]
    before = house.state()

    codes = [
        house.call(url, agent, method=method)
        for agent in AGENTS
        for method in ("GET", "HEAD")
        for url in urls
        # A reader's program that opens the pixel is a reader.
        if not (agent == READER["User-Agent"] and "/v1/t/o/" in url)
    ]
    house.work()

    assert len(urls) == 7
    assert len(codes) >= 50
    assert set(codes) == {200, 302}
    assert house.state() == before
    assert house.sql("SELECT count(*) > 0 FROM machine_hits") == [(True,)]


def test_one_click_stops_the_next_mail_and_only_its_category(house: House) -> None:
    assert house.send() == "sent"
    headers = house.postbox.messages[0].headers

    code = house.call(
        headers["List-Unsubscribe"].strip("<>"),
        "",
        method="POST",
        body="List-Unsubscribe=One-Click",
    )

    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert code == 200
    assert house.send() == "unsubscribed"
    assert house.send("other") == "sent"
    assert len(house.postbox.messages) == 2


def test_links_of_a_real_mail_lead_where_the_template_says(house: House) -> None:
    house.send()
    (message,) = house.postbox.messages
    tracked = re.findall(r'href="https://mail\.x\.test(/v1/t/c/[^"]+)"', message.html)

    locations = [
        house.client.simulate_get(path, headers=READER).headers["location"] for path in tracked[:2]
    ]
    house.work()

    assert len(tracked) == 3
    assert locations == ["https://x.test/one?a=1&b=2", "https://x.test/two"]
    assert 'href="mailto:a@b.test"' in message.html
    assert "data-hs" not in message.html
    assert message.html.count("/v1/email/unsubscribe?token=") == 1
    assert [row[0] for row in house.sql("SELECT event FROM user_events")] == [
        "email.link_clicked"
    ] * 2


def test_transactional_mail_has_no_way_out_but_the_preferences(house: House) -> None:
    house.client.simulate_post(
        "/v1/email/unsubscribe",
        query_string=str(build_links(house.parts).unsubscribe_url(_Person())).partition("?")[2],
    )

    assert house.send("news") == "unsubscribed"
    assert house.send("transactional") == "sent"
    assert "List-Unsubscribe" not in house.postbox.messages[0].headers


class _Person:
    external_id = "ada@example.org"
    email = "ada@example.org"
    category = None

    @property
    def at(self) -> Any:
        from hogsend.kernel.clock import SystemClock

        return SystemClock().now()
