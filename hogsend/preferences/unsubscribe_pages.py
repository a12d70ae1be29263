"""Public pages on which people leave, come back and choose. GET never changes anything.

Mail scanners follow every link of a mail, so a link only ever shows a page with a button. What
mail programs send when somebody presses "unsubscribe" in them (RFC 8058) is a POST and acts at
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from hogsend.db import Database
from hogsend.kernel.clock import Clock
from hogsend.kernel.tokens import TokenError, UnsubscribeClaims
from hogsend.preferences import descriptions as docs
from hogsend.preferences import store
from hogsend.preferences.lists import ListDefinition, ListRegistry
from hogsend.preferences.models import Preferences
from hogsend.preferences.pages import Pages, Words, read_form
from hogsend.preferences.unsubscribe import (
    PREFERENCES_PATH,
    UNSUBSCRIBE_PATH,
    NoChoice,
    PreferenceLinks,
    resolve_person,
)
from hogsend.preferences.write import PreferenceWriter
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

_JOURNEY = "journey"
_PAGE_SOURCE = "preference_center"
_ONE_CLICK_SOURCE = "one_click"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One row of the preference page."""

    id: str
    name: str
    description: str | None
    is_subscribed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePages:
    """Handlers; every one needs a genuine token and no other permission."""

    db: Database
    links: PreferenceLinks
    lists: ListRegistry
    writer: PreferenceWriter
    pages: Pages
    clock: Clock

    def get_unsubscribe(self, req: Request, resp: Response) -> None:
        """Ask for confirmation."""
        claims = self._claims(req, resp)
        if claims is None:
            return
        if claims.action == "manage":
            self._go_to_preferences(req, resp)
            return
        words = self.pages.words(req)
        is_back = claims.action == "resubscribe"
        question = "ask_back" if is_back else "ask"
        title = words("resubscribe" if is_back else "unsubscribe")
        self.pages.show(
            resp, "confirm.html", words,
            title=title, button=title, action=_same(req, UNSUBSCRIBE_PATH),
            text=self._say(words, question, claims),
            link=self._preferences(claims), link_text=words("manage"),
        )  # fmt: skip

    def post_unsubscribe(self, req: Request, resp: Response) -> None:
        """Do it: for the button of the page, and for mail programs (RFC 8058, section 3.2)."""
        is_page = "confirm" in read_form(req)
        claims = self._claims(req, resp)
        if claims is None:
            return
        if claims.action == "manage":
            self._go_to_preferences(req, resp)
        elif not is_page:
            self._one_click(req, resp, claims)
        else:
            self._confirmed(req, resp, claims)

    def get_preferences(self, req: Request, resp: Response) -> None:
        """Every choice with its present answer."""
        claims = self._claims(req, resp)
        if claims is None:
            return
        words = self.pages.words(req)
        person = resolve_person(self.db, claims)
        found = store.get_preferences(
            self.db, user_id=person.user_id, email=person.email, contact_id=person.contact_id
        )
        choices = self._choices(words, found)
        self.pages.show(
            resp, "preferences.html", words,
            title=words("preferences"), text=words("choose", email=claims.email),
            notice=words("saved") if req.get_param("saved") == "1" else "",
            off=words("off") if found.unsubscribed_all else "",
            action=_same(req, PREFERENCES_PATH),
            channels=[c for c, kind in choices if kind == "channel"],
            topics=[c for c, kind in choices if kind == "topic"],
            channels_legend=words("channels"), topics_legend=words("topics"),
            save=words("save"), all_off=words("all_off"), all_on=words("all_on"),
        )  # fmt: skip

    def post_preferences(self, req: Request, resp: Response) -> None:
        """Store what the form says, then show the page again."""
        form = read_form(req)
        claims = self._claims(req, resp)
        if claims is None:
            return
        person = resolve_person(self.db, claims)
        match form.get("do", [""])[0]:
            case "all_off":
                self.writer.set_all(person, subscribed=False, source=_PAGE_SOURCE)
            case "all_on":
                self.writer.set_all(person, subscribed=True, source=_PAGE_SOURCE)
            case "save":
                found = store.get_preferences(
                    self.db,
                    user_id=person.user_id,
                    email=person.email,
                    contact_id=person.contact_id,
                )
                wanted = frozenset(form.get("subscribed", []))
                shown = frozenset(form.get("shown", []))
                self.writer.set_categories(
                    person,
                    self._answers(found, shown, wanted),
                    source=_PAGE_SOURCE,
                    is_confirmed=True,
                )
                if found.unsubscribed_all and wanted & shown:
                    self.writer.set_all(person, subscribed=True, source=_PAGE_SOURCE)
        resp.status = 303
        resp.set_header("Location", f"{_same(req, PREFERENCES_PATH)}&saved=1")

    def _claims(self, req: Request, resp: Response) -> UnsubscribeClaims | None:
        """What the token says; None when the answer is already the page that says why not."""
        words = self.pages.words(req)
        try:
            return self.links.read(req.get_param("token") or "", now=self.clock.now())
        except TokenError as error:
            structlog.get_logger().info("preferences.token_refused", reason=error.message)
            self._message(resp, words, "bad_link", words("bad_link_text"), status=400)
        except NoChoice:
            self._message(resp, words, "no_choice", words("required"), status=400)
        return None

    def _one_click(self, req: Request, resp: Response, claims: UnsubscribeClaims) -> None:
        if claims.action != "unsubscribe":
            words = self.pages.words(req)
            self._message(resp, words, "bad_link", words("bad_link_text"), status=400)
            return
        self._leave(claims, source=_ONE_CLICK_SOURCE)
        resp.content_type = "text/plain; charset=utf-8"
        resp.set_header("Cache-Control", "no-store")
        resp.data = b"unsubscribed"

    def _confirmed(self, req: Request, resp: Response, claims: UnsubscribeClaims) -> None:
        words, now = self.pages.words(req), self.clock.now()
        if claims.action == "resubscribe":
            person = resolve_person(self.db, claims)
            self.writer.resubscribe(person, category=claims.category, source=_PAGE_SOURCE)
            self._message(
                resp, words, "resubscribed", self._say(words, "back", claims),
                link=self._preferences(claims), link_text=words("manage"),
            )  # fmt: skip
            return
        self._leave(claims, source=_PAGE_SOURCE)
        token = self.links.token(claims, action="resubscribe", now=now)
        self._message(
            resp, words, "unsubscribed", self._say(words, "done", claims),
            link=_link(UNSUBSCRIBE_PATH, token), link_text=words("resubscribe"),
        )  # fmt: skip

    def _leave(self, claims: UnsubscribeClaims, *, source: str) -> None:
        person = resolve_person(self.db, claims)
        if claims.category is None:
            self.writer.set_all(person, subscribed=False, source=source)
        else:
            self.writer.set_categories(person, {claims.category: False}, source=source)

    def _choices(self, words: Words, found: Preferences) -> list[tuple[Choice, str]]:
        journey = ListDefinition(id=_JOURNEY, name=words("journey"))
        return [
            (
                Choice(
                    id=one.id,
                    name=one.name,
                    description=one.description,
                    is_subscribed=not found.unsubscribed_all
                    and one.is_subscribed(found.categories),
                ),
                one.kind,
            )
            for one in (journey, *self.lists.all())
        ]

    def _answers(
        self, found: Preferences, shown: frozenset[str], wanted: frozenset[str]
    ) -> dict[str, bool]:
        """Only what differs: silence must not become an answer because a page was saved."""
        known = (ListDefinition(id=_JOURNEY, name=""), *self.lists.all())
        return {
            one.id: one.id in wanted
            for one in known
            if one.id in shown and one.is_subscribed(found.categories) != (one.id in wanted)
        }

    def _preferences(self, claims: UnsubscribeClaims) -> str:
        now = self.clock.now()
        token = self.links.token(claims, action="manage", now=now, is_general=True)
        return _link(PREFERENCES_PATH, token)

    def _say(self, words: Words, kind: str, claims: UnsubscribeClaims) -> str:
        if claims.category is None:
            return words(f"{kind}_all", email=claims.email)
        return words(
            f"{kind}_category", name=self._name(words, claims.category), email=claims.email
        )

    def _name(self, words: Words, category: str) -> str:
        if category == _JOURNEY:
            return words("journey")
        found = self.lists.find(category)
        return found.name if found is not None else category

    def _message(
        self,
        resp: Response,
        words: Words,
        title: str,
        text: str,
        *,
        status: int = 200,
        **values: Any,
    ) -> None:
        self.pages.show(
            resp, "message.html", words, status=status, title=words(title), text=text, **values
        )

    def _go_to_preferences(self, req: Request, resp: Response) -> None:
        resp.status = 303
        resp.set_header("Location", _same(req, PREFERENCES_PATH))


def routes(pages: PreferencePages) -> list[Route]:
    """Open routes; the token is the permission."""
    return [
        Route(
            method="GET",
            path=UNSUBSCRIBE_PATH,
            handler=pages.get_unsubscribe,
            doc=docs.GET_UNSUBSCRIBE,
        ),
        Route(
            method="POST",
            path=UNSUBSCRIBE_PATH,
            handler=pages.post_unsubscribe,
            doc=docs.POST_UNSUBSCRIBE,
        ),
        Route(
            method="GET",
            path=PREFERENCES_PATH,
            handler=pages.get_preferences,
            doc=docs.GET_PREFERENCES_PAGE,
        ),
        Route(
            method="POST",
            path=PREFERENCES_PATH,
            handler=pages.post_preferences,
            doc=docs.POST_PREFERENCES_PAGE,
        ),
    ]


def _same(req: Request, path: str) -> str:
    """A page for the token of this request, which is known to be genuine and thus plain ASCII."""
    return _link(path, req.get_param("token") or "")


def _link(path: str, token: str) -> str:
    """Relative to the other pages, whatever path a proxy puts before them."""
    return f"{path.rpartition('/')[2]}?token={token}"
