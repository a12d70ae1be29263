from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import falcon.testing
import pytest

from hogsend.db import Database, Query
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.optin_mail import OptInMails
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import ConfigError, ProviderTransient
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.tokens import TokenSigner
from hogsend.outbox.models import Delivery, Done, OutboxRow, Retry
from hogsend.preferences import optin_pages, store
from hogsend.preferences.lists import ListRegistry, define_list
from hogsend.preferences.models import Person
from hogsend.preferences.optin import ConfirmLinks, OptIns, list_proofs
from hogsend.preferences.pages import Pages
from hogsend.preferences.write import PreferenceWriter
from hogsend.web.app import build_app

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ADA = Person(user_id="u1", email="ada@example.org")
FORM = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Mozilla/5.0 X"}
LISTS = ListRegistry(
    [
        define_list("club", name="The <Club>", default_opt_in=False, double_opt_in=True),
        define_list("news", name="News"),
    ]
)


class Desk:
    """Remembers promised mails; ``trouble`` is raised once."""

    def __init__(self) -> None:
        self.requests: list[SendRequest] = []
        self.trouble: Exception | None = None

    def enqueue(self, request: SendRequest) -> SendResult:
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        self.requests.append(request)
        return SendResult(status="held")


class Club:
    """The whole way of a wish."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = VirtualClock(NOW)
        self.desk = Desk()
        self.links = ConfirmLinks("https://x.test", TokenSigner("secret"))
        self.writer = PreferenceWriter(db, opt_ins=OptIns(["club"], clock=self.clock, new_id=uuid7))
        self.mails = OptInMails(db, self.desk, lists=LISTS, links=self.links)
        pages = optin_pages.ConfirmPages(
            db=db,
            links=self.links,
            lists=LISTS,
            writer=self.writer,
            pages=Pages(),
            clock=self.clock,
        )
        self.client = falcon.testing.TestClient(build_app(optin_pages.routes(pages)))

    def join(
        self, answers: Mapping[str, bool] | None = None, *, confirmed: bool = False
    ) -> list[str]:
        return self.writer.set_categories(
            ADA, answers or {"club": True}, source="api", is_confirmed=confirmed
        )

    def work(self) -> list[Delivery]:
        rows = self.sql(
            "SELECT id, topic, subject, ref_id, payload FROM outbox WHERE topic = 'email.opt_in'"
        )
        deliveries = self.mails.deliver(
            [
                OutboxRow(id=r[0], topic=r[1], subject=r[2], ref_id=r[3], payload=r[4],
                          priority=2, attempts=1)
                for r in rows
            ]
        )  # fmt: skip
        for row, delivery in zip(rows, deliveries, strict=True):
            if delivery == Done():
                self.sql("DELETE FROM outbox WHERE id = :id", id=row[0])
        return deliveries

    def url(self) -> str:
        """The link in the last mail, without the host."""
        return str(self.desk.requests[-1].props["confirmUrl"]).removeprefix("https://x.test")

    def call(self, method: str, url: str) -> falcon.testing.Result:
        path, _, query = url.partition("?")
        return self.client.simulate_request(
            method, path, query_string=query, headers=FORM, remote_addr="203.0.113.77",
            body="confirm=1" if method == "POST" else "",
        )  # fmt: skip

    def categories(self) -> Mapping[str, bool]:
        return store.get_preferences(self.db, user_id="u1", email=ADA.email).categories

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.db.run(Query.parse("test", text), **params)


@pytest.fixture
def club(database: Database) -> Club:
    return Club(database)


def test_opt_in_takes_effect_when_confirmed_and_leaves_a_proof(club: Club) -> None:
    changed = club.join({"club": True, "news": False})
    club.work()
    waiting = club.categories()
    (request,) = club.desk.requests

    page = club.call("GET", club.url())
    still_waiting = club.categories()
    club.clock.advance(timedelta(hours=1))
    done = club.call("POST", club.url())

    assert changed == ["news"]
    assert waiting == still_waiting == {"news": False}
    assert (request.template, request.to, request.category) == (
        "confirm-subscription", "ada@example.org", "transactional",
    )  # fmt: skip
    assert request.props["listName"] == "The <Club>"
    assert "The &lt;Club&gt;" in page.text
    assert "You are subscribed" in done.text
    assert club.categories() == {"news": False, "club": True}
    (proof,) = list_proofs(club.db, ADA.email)
    assert (proof.list_id, proof.source, proof.requested_at, proof.mails) == ("club", "api", NOW, 1)
    assert (proof.confirmed_at, proof.confirmed_ip, proof.confirmed_user_agent) == (
        NOW + timedelta(hours=1), "203.0.113.0", "Mozilla/5.0 X",
    )  # fmt: skip
    assert club.sql("SELECT category, subscribed, source FROM preference_changes ORDER BY id") == [
        ("news", False, "api"),
        ("club", True, "double_opt_in"),
    ]


def test_opt_in_link_followed_by_scanners_joins_nobody(club: Club) -> None:
    club.join()
    club.work()

    codes = {club.call(method, club.url()).status_code for method in ["GET", "HEAD"] * 25}

    assert codes == {200}
    assert club.categories() == {}
    assert club.sql("SELECT count(*) FROM list_confirmations WHERE confirmed_at IS NOT NULL") == [
        (0,)
    ]


def test_opt_in_asked_again_and_again_sends_few_mails(club: Club) -> None:
    for _ in range(20):
        club.join()
        club.work()
    club.clock.advance(timedelta(minutes=10))
    club.join()
    club.work()

    keys = [request.idempotency_key for request in club.desk.requests]
    assert [str(key).rpartition(":")[2] for key in keys] == ["1", "2"]
    assert club.sql("SELECT count(*), max(mails) FROM list_confirmations") == [(1, 2)]


def test_opt_in_used_link_does_not_bring_back_who_left(club: Club) -> None:
    club.join()
    club.work()
    club.call("POST", club.url())
    club.join({"club": False})

    again = club.call("POST", club.url())

    assert again.status_code == 200
    assert club.categories() == {"club": False}


def test_opt_in_of_a_subscriber_asks_nothing(club: Club) -> None:
    club.join()
    club.work()
    club.call("POST", club.url())

    club.join()

    assert club.sql("SELECT count(*) FROM outbox WHERE topic = 'email.opt_in'") == [(0,)]


def test_opt_in_after_leaving_everything_needs_and_gets_confirmation(club: Club) -> None:
    club.writer.set_all(ADA, subscribed=False, source="api")
    club.join()
    club.work()
    club.call("POST", club.url())

    found = store.get_preferences(club.db, user_id="u1", email=ADA.email)
    assert (found.unsubscribed_all, found.categories) == (False, {"club": True})


def test_opt_in_from_the_persons_own_mailbox_needs_no_mail(club: Club) -> None:
    assert club.join(confirmed=True) == ["club"]
    assert club.categories() == {"club": True}
    assert club.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_opt_in_mail_in_trouble_is_tried_again(club: Club) -> None:
    club.join()
    club.desk.trouble = ProviderTransient("away")

    first, second = club.work(), club.work()

    assert isinstance(first[0], Retry)
    assert second == [Done()]
    assert len(club.desk.requests) == 1


def test_opt_in_link_ends_and_cannot_be_made_up(club: Club) -> None:
    club.join()
    club.work()
    url = club.url()
    token = url.partition("token=")[2]
    forged = [
        "", "x", "a.b", token[:-2], token.replace(".", ""),
        TokenSigner("other").sign({"purpose": "opt_in", "id": str(uuid7()), "exp": 9999999999}),
        TokenSigner("secret").sign({"purpose": "opt_in", "id": str(uuid7()), "exp": 9999999999}),
        TokenSigner("secret").sign({"purpose": "opt_in", "id": "x", "exp": 9999999999}),
        TokenSigner("secret").mint_user_token("u1", now=NOW),
    ]  # fmt: skip

    codes = {
        club.call(method, f"/v1/email/confirm?token={one}").status_code
        for one in forged
        for method in ("GET", "POST")
    }
    club.clock.advance(timedelta(days=30, seconds=1))

    assert codes == {400}
    assert club.call("POST", url).status_code == 400
    assert club.categories() == {}


def test_double_opt_in_list_must_be_opt_in() -> None:
    with pytest.raises(ConfigError, match="default_opt_in=False"):
        define_list("club", name="Club", double_opt_in=True)


def test_confirmation_mail_renders() -> None:
    mail = TemplateRegistry.load().render(
        "confirm-subscription", {"listName": "<News>", "confirmUrl": "https://x.test/c?a=1"}
    )

    assert mail.subject == "Please confirm your subscription to <News>"
    assert 'href="https://x.test/c?a=1"' in mail.html
    assert "&lt;News&gt;" in mail.html
    assert "https://x.test/c?a=1" in mail.text
