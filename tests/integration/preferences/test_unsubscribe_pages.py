from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import falcon.testing
import pytest

from hogsend.db import Database, Query
from hogsend.email.decorate import Addressee
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.tokens import TokenSigner, UnsubscribeAction, UnsubscribeClaims
from hogsend.preferences import get_consent
from hogsend.preferences.lists import ListRegistry, define_list
from hogsend.preferences.pages import Pages
from hogsend.preferences.pages_text import TEXTS
from hogsend.preferences.unsubscribe import LINK_LIFE, PreferenceLinks
from hogsend.preferences.unsubscribe_pages import PreferencePages, routes
from hogsend.preferences.write import PreferenceWriter
from hogsend.web.app import build_app

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ADA = "ada@example.org"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LISTS = ListRegistry(
    [
        define_list("news", name="News <b>& more</b>", description="Once a month"),
        define_list("beta", name="Beta", default_opt_in=False),
    ]
)


class Site:
    """The pages over one database."""

    def __init__(self, db: Database, signer: TokenSigner | None = None) -> None:
        self.db = db
        self.clock = VirtualClock(NOW)
        self.signer = signer or TokenSigner("secret")
        self.links = PreferenceLinks("https://x.test", self.signer)
        self.client = falcon.testing.TestClient(
            build_app(
                routes(
                    PreferencePages(
                        db=db,
                        links=self.links,
                        lists=LISTS,
                        writer=PreferenceWriter(db),
                        pages=Pages(),
                        clock=self.clock,
                    )
                )
            )
        )

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.db.run(Query.parse("test", text), **params)

    def url(
        self,
        category: str | None = None,
        *,
        action: UnsubscribeAction = "unsubscribe",
        who: str = "u1",
        page: str = "unsubscribe",
    ) -> str:
        claims = UnsubscribeClaims(external_id=who, email=ADA, action=action, category=category)
        token = self.signer.mint_unsubscribe_token(claims, now=NOW, life=LINK_LIFE)
        return f"/v1/email/{page}?token={token}"

    def call(
        self, method: str, url: str, body: str = "", headers: dict[str, str] | None = None
    ) -> falcon.testing.Result:
        path, _, query = url.partition("?")
        return self.client.simulate_request(
            method, path, query_string=query, body=body, headers=headers or {}
        )

    def one_click(self, url: str) -> falcon.testing.Result:
        return self.call("POST", url, "List-Unsubscribe=One-Click", FORM)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.sql(
            "SELECT user_id, email, contact_id, unsubscribed_all, categories "
            "FROM email_preferences ORDER BY user_id"
        )


@pytest.fixture
def site(database: Database) -> Site:
    return Site(database)


def test_unsubscribe_get_and_head_change_nothing_however_often(site: Site) -> None:
    urls = [
        site.url(category, action=action, page=page)
        for category in (None, "news")
        for action in ("unsubscribe", "resubscribe", "manage")
        for page in ("unsubscribe", "preferences")
    ]

    answers = [
        site.call(method, url) for _ in range(5) for url in urls for method in ("GET", "HEAD")
    ]

    assert len(answers) > 50
    assert {answer.status_code for answer in answers} <= {200, 303}
    assert site.rows() == []
    assert site.sql("SELECT count(*) FROM preference_changes") == [(0,)]


def test_unsubscribe_bare_one_click_acts_at_once_and_again(site: Site, database: Database) -> None:
    url = site.url("news")

    answers = [site.one_click(url) for _ in range(3)]

    assert [(a.status_code, a.text) for a in answers] == [(200, "unsubscribed")] * 3
    assert "location" not in answers[0].headers
    assert site.rows() == [("u1", ADA, None, False, {"news": False})]
    assert get_consent(database, ADA, category="news").category_refused
    assert site.sql("SELECT category, subscribed, source FROM preference_changes") == [
        ("news", False, "one_click")
    ]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("", {}),
        ("List-Unsubscribe=One-Click", {}),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
            "--b--\r\n",
            {"Content-Type": "multipart/form-data; boundary=b"},
        ),
    ],
)
def test_unsubscribe_one_click_takes_every_form_programs_send(
    site: Site, body: str, headers: dict[str, str]
) -> None:
    answer = site.call("POST", site.url(), body, headers)

    assert answer.status_code == 200
    assert site.rows() == [("u1", ADA, None, True, {})]


def test_unsubscribe_without_category_stops_everything(site: Site, database: Database) -> None:
    site.one_click(site.url())

    assert get_consent(database, ADA, category="anything").unsubscribed


def test_unsubscribe_page_asks_then_confirms_and_leads_back(site: Site) -> None:
    asked = site.call("GET", site.url("news"))
    done = site.call("POST", site.url("news"), "confirm=1", FORM)
    (back,) = re.findall(r'<a href="(unsubscribe\?token=[^"]+)"', done.text)
    asked_back = site.call("GET", f"/v1/email/{unescape(back)}")
    between = site.rows()
    welcome = site.call("POST", f"/v1/email/{unescape(back)}", "confirm=1", FORM)

    assert '<form method="post" action="unsubscribe?token=' in asked.text
    assert "News &lt;b&gt;&amp; more&lt;/b&gt;" in asked.text
    assert "You are unsubscribed" in done.text
    assert "Subscribe again" in asked_back.text
    assert between == [("u1", ADA, None, False, {"news": False})]
    assert "Welcome back" in welcome.text
    assert site.rows() == [("u1", ADA, None, False, {"news": True})]


def test_resubscribe_clears_a_global_refusal_too(site: Site, database: Database) -> None:
    site.one_click(site.url())

    site.call("POST", site.url("news", action="resubscribe"), "confirm=1", FORM)

    assert not get_consent(database, ADA, category="news").unsubscribed


def test_resubscribe_by_one_click_is_refused(site: Site) -> None:
    answer = site.one_click(site.url("news", action="resubscribe"))

    assert answer.status_code == 400
    assert site.rows() == []


def test_manage_token_never_unsubscribes(site: Site) -> None:
    url = site.url(action="manage")

    for method, body in (
        ("GET", ""),
        ("POST", "List-Unsubscribe=One-Click"),
        ("POST", "confirm=1"),
    ):
        answer = site.call(method, url, body, FORM)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("preferences?token=")
    assert site.rows() == []


def test_transactional_token_is_refused_and_no_link_is_made(site: Site) -> None:
    page = site.call("GET", site.url("transactional"))
    post = site.one_click(site.url("transactional"))
    person = Addressee(external_id="u1", email=ADA, category="transactional", at=NOW)

    assert (page.status_code, post.status_code) == (400, 400)
    assert "always sent" in page.text
    assert site.rows() == []
    assert site.links.unsubscribe_url(person) is None
    assert site.links.preferences_url(person) is not None


FORGERIES = [
    "", "a", "a.b", "a.b.c", "ä.ö", "%00", "a" * 5000,
    # a token of another key, of a user, without a signature, and with a changed address
    TokenSigner("other").mint_unsubscribe_token(
        UnsubscribeClaims(external_id="u1", email=ADA, action="unsubscribe"), now=NOW
    ),
    TokenSigner("secret").mint_user_token("u1", now=NOW),
    TokenSigner("secret").mint_unsubscribe_token(
        UnsubscribeClaims(external_id="u1", email=ADA, action="unsubscribe"), now=NOW
    ).partition(".")[0] + ".",
    TokenSigner("secret").sign({"externalId": "u1", "email": "eve@example.org"}).partition(".")[0]
    + "."
    + TokenSigner("secret").sign({"externalId": "u1", "email": ADA}).partition(".")[2],
    TokenSigner("secret").mint_unsubscribe_token(
        UnsubscribeClaims(
            external_id="u1", email=ADA, action="unsubscribe", category="a/../<script>"
        ),
        now=NOW,
    ),
]  # fmt: skip


@pytest.mark.parametrize("token", FORGERIES)
def test_forged_tokens_are_refused_everywhere(site: Site, token: str) -> None:
    for path in ("unsubscribe", "preferences"):
        for method, body in (("GET", ""), ("POST", "confirm=1"), ("POST", "do=all_off")):
            url = f"/v1/email/{path}?token={token}"
            answer = site.call(method, url, body, FORM)
            assert answer.status_code == 400
            assert "<script" not in answer.text
            assert answer.headers["content-type"].startswith("text/html")
    assert site.rows() == []


def test_token_lives_longer_than_a_year_and_then_ends(site: Site) -> None:
    url = site.url("news")

    site.clock.advance(timedelta(days=366))
    after_a_year = site.one_click(url)
    site.clock.advance(timedelta(days=366))

    assert after_a_year.status_code == 200
    assert site.one_click(url).status_code == 400


def test_token_survives_a_rotated_secret(database: Database) -> None:
    url = Site(database, TokenSigner("old")).url("news")

    rotated = Site(database, TokenSigner("new", previous=("old",))).one_click(url)
    forgotten = Site(database, TokenSigner("new")).one_click(url)

    assert (rotated.status_code, forgotten.status_code) == (200, 400)


def test_unsubscribe_of_a_merged_contact_reaches_the_survivor(site: Site) -> None:
    survivor = uuid7()
    site.sql(
        "INSERT INTO contacts (id, external_id, email) VALUES (:id, 'survivor', 'new@example.org')",
        id=survivor,
    )
    site.sql(
        "INSERT INTO contact_aliases (contact_id, alias_kind, alias_value, reason) "
        "VALUES (:id, 'external', 'u1', 'merge')",
        id=survivor,
    )

    site.one_click(site.url("news"))

    assert site.rows() == [("survivor", ADA, survivor, False, {"news": False})]
    assert get_consent(
        site.db, "new@example.org", contact_id=survivor, category="news"
    ).category_refused


def _boxes(page: str) -> dict[str, bool]:
    found = re.findall(r'<input type="checkbox" id="list-([^"]+)"([^>]*)>', page)
    return {name: " checked" in rest for name, rest in found}


def test_preferences_page_shows_and_stores_choices(site: Site) -> None:
    url = site.url(action="manage", page="preferences")

    first = site.call("GET", url)
    saved = site.call(
        "POST",
        url,
        "do=save&shown=journey&shown=news&shown=beta&subscribed=journey&subscribed=beta",
        FORM,
    )
    second = site.call("GET", f"/v1/email/{saved.headers['location']}")

    assert _boxes(first.text) == {"journey": True, "news": True, "beta": False, "in_app": True}
    assert first.text.index("list-in_app") < first.text.index("list-journey")
    assert saved.status_code == 303
    assert "Your choice is saved." in second.text
    assert _boxes(second.text) == {"journey": True, "news": False, "beta": True, "in_app": True}
    # What the person did not change stays silence.
    assert site.rows() == [("u1", ADA, None, False, {"news": False, "beta": True})]


def test_preferences_page_stops_and_allows_everything(site: Site) -> None:
    url = site.url(action="manage", page="preferences")

    site.call("POST", url, "do=all_off", FORM)
    off = site.call("GET", url)
    empty = site.call("POST", url, "do=save&shown=news&shown=journey", FORM)
    still_off = site.rows()
    site.call("POST", url, "do=save&shown=news&shown=journey&subscribed=news", FORM)

    assert set(_boxes(off.text).values()) == {False}
    assert "Turn mail on again" in off.text
    assert empty.status_code == 303
    assert still_off[0][3] is True
    assert site.rows()[0][3:] == (False, {"news": True, "journey": False})


@pytest.mark.parametrize(
    "body", ["do=save&shown=transactional&shown=nonsense", "do=nonsense", "", "do=save"]
)
def test_preferences_page_ignores_what_it_did_not_offer(site: Site, body: str) -> None:
    site.call("POST", site.url(action="manage", page="preferences"), body, FORM)

    assert all(row[3:] == (False, {}) for row in site.rows())


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_pages_speak_the_readers_language_and_are_locked_down(site: Site, language: str) -> None:
    for page in ("unsubscribe", "preferences"):
        answer = site.call(
            "GET", site.url("news", page=page), headers={"Accept-Language": f"{language}-XX,xx"}
        )
        policy = answer.headers["content-security-policy"]

        assert f'<html lang="{language}">' in answer.text
        title = "unsubscribe" if page == "unsubscribe" else "preferences"
        assert f"<h1>{TEXTS[language][title]}</h1>" in answer.text
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in answer.text
        assert " style=" not in answer.text
        assert 'name="viewport"' in answer.text


def test_page_style_is_the_one_the_policy_allows(site: Site) -> None:
    import base64
    import hashlib

    answer = site.call("GET", site.url("news"))
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_links_are_equal_for_equal_people() -> None:
    links = PreferenceLinks("https://x.test/", TokenSigner("secret"))
    person = Addressee(external_id="u1", email=" Ada@Example.org", category="news", at=NOW)

    first, second = links.unsubscribe_url(person), links.unsubscribe_url(person)

    assert first == second
    assert str(first).startswith("https://x.test/v1/email/unsubscribe?token=")
    claims = links.read(str(first).partition("token=")[2], now=NOW)
    assert claims == UnsubscribeClaims(
        external_id="u1", email=ADA, action="unsubscribe", category="news"
    )


def test_address_of_a_contact_with_a_uuid_key_is_found(site: Site) -> None:
    contact = UUID(int=77)
    site.sql("INSERT INTO contacts (id, email) VALUES (:id, :email)", id=contact, email=ADA)

    site.one_click(site.url(who=str(contact)))

    assert site.rows() == [(str(contact), ADA, contact, True, {})]
