"""What people and providers do with a mail reaches the people's events, through real processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
import urllib3

from hogsend.db import Database, Query
from tests.acceptance.engines import LocalEngine
from tests.acceptance.instance import Instance
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

READER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}


@pytest.fixture
def instance(dsn: str, redis_url: str, database: Database, tmp_path: Path) -> Iterator[Instance]:
    engine = LocalEngine(namespace="")
    made = Instance(
        dsn=dsn, redis_url=redis_url, database=database, directory=tmp_path, engine=engine.environ
    )
    made.engine = {
        **engine.environ,
        "API_PUBLIC_URL": f"http://127.0.0.1:{made.port}",
        "HOGSEND_CLICK_HOLD_SECONDS": "0.5",
    }
    made.start_api()
    made.start_worker()
    try:
        yield made
    finally:
        made.stop()
        engine.close()


def _html(message: Message) -> str:
    for part in message.walk():
        if part.get_content_type() == "text/html":
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            return data.decode()
    raise AssertionError("no html")


def _events(instance: Instance) -> list[tuple[str, str]]:
    query = Query.parse("t", "SELECT event, user_id FROM user_events ORDER BY event")
    return [(row[0], row[1]) for row in instance.database.run(query)]


def test_mail_is_opened_followed_and_left(instance: Instance) -> None:
    http = urllib3.PoolManager(retries=False)
    instance.send("signed.up", "ada")
    body = {
        "userId": "ada",
        "template": "welcome",
        "props": {"ctaUrl": "https://x.test/start?a=1&b=2"},
    }
    assert instance.post("/v1/emails", body).status == 202
    wait_until(lambda: len(instance.mails()) == 1, seconds=20, what="the mail left")
    (message,) = instance.mails()
    html = _html(message)
    click = re.search(r'href="([^"]+/v1/t/c/[^"]+)"', html)
    pixel = re.search(r'src="([^"]+/v1/t/o/[^"]+)"', html)
    assert click is not None
    assert pixel is not None

    scanned = http.request("GET", click[1], headers={"User-Agent": "Slackbot"}, redirect=False)
    followed = http.request("GET", click[1], headers=READER, redirect=False)
    opened = http.request("GET", pixel[1], headers=READER)
    expected = [("email.link_clicked", "ada"), ("email.opened", "ada"), ("signed.up", "ada")]
    wait_until(
        lambda: _events(instance) == expected, seconds=20, what=lambda: str(_events(instance))
    )
    leave = str(message["List-Unsubscribe"]).strip("<> \r\n").replace("\r\n ", "")
    left = http.request(
        "POST",
        leave,
        body=b"List-Unsubscribe=One-Click",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    again = instance.post("/v1/emails", body)

    assert (scanned.status, followed.status, opened.status) == (302, 302, 200)
    assert followed.headers["location"] == "https://x.test/start?a=1&b=2"
    assert left.status == 200
    assert again.json()["status"] in ("unsubscribed", "suppressed")
    assert len(instance.mails()) == 1
