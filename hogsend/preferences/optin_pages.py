"""The page behind the link of a confirmation mail. GET only asks; the button joins."""

from __future__ import annotations

from dataclasses import dataclass

from hogsend.db import Database
from hogsend.kernel.clock import Clock
from hogsend.kernel.networks import truncate_ip
from hogsend.kernel.tokens import TokenError
from hogsend.preferences import descriptions as docs
from hogsend.preferences import optin
from hogsend.preferences.lists import ListRegistry
from hogsend.preferences.optin import CONFIRM_PATH, Confirmation, ConfirmLinks
from hogsend.preferences.pages import Pages, Words
from hogsend.preferences.write import PreferenceWriter
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

_SOURCE = "double_opt_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPages:
    """Handlers; the token in the mail is the permission."""

    db: Database
    links: ConfirmLinks
    lists: ListRegistry
    writer: PreferenceWriter
    pages: Pages
    clock: Clock

    def get(self, req: Request, resp: Response) -> None:
        """Ask; changes nothing, however many scanners follow the link."""
        words = self.pages.words(req)
        wish = self._wish(req, resp, words)
        if wish is None:
            return
        if wish.confirmed_at is not None:
            self._done(resp, words, wish)
            return
        self.pages.show(
            resp, "confirm.html", words,
            title=words("confirm"), button=words("confirm_button"),
            action=f"confirm?token={req.get_param('token')}",
            text=words("ask_confirm", name=self._name(wish), email=wish.person.email),
        )  # fmt: skip

    def post(self, req: Request, resp: Response) -> None:
        """Join, and keep the proof. A link that was used joins nobody again."""
        req.body()  # says nothing, but must not be left in the connection
        words = self.pages.words(req)
        wish = self._wish(req, resp, words)
        if wish is None:
            return
        if wish.confirmed_at is None:
            # The proof comes last: a crash in between leaves a link that still works.
            self.writer.resubscribe(wish.person, category=wish.list_id, source=_SOURCE)
            optin.mark_confirmed(
                self.db,
                wish.id,
                at=self.clock.now(),
                ip=truncate_ip(req.client_ip),
                user_agent=(req.user_agent or "").replace("\0", ""),
            )
        self._done(resp, words, wish)

    def _wish(self, req: Request, resp: Response, words: Words) -> Confirmation | None:
        found: Confirmation | None = None
        try:
            wish_id = self.links.read(req.get_param("token") or "", now=self.clock.now())
            found = optin.find_confirmation(self.db, wish_id)
        except TokenError:
            pass
        if found is None or self.lists.find(found.list_id) is None:
            self.pages.show(
                resp, "message.html", words, status=400,
                title=words("bad_link"), text=words("bad_link_text"),
            )  # fmt: skip
            return None
        return found

    def _done(self, resp: Response, words: Words, wish: Confirmation) -> None:
        self.pages.show(
            resp, "message.html", words, title=words("confirmed"),
            text=words("done_confirm", name=self._name(wish), email=wish.person.email),
        )  # fmt: skip

    def _name(self, wish: Confirmation) -> str:
        found = self.lists.find(wish.list_id)
        return found.name if found is not None else wish.list_id


def routes(pages: ConfirmPages) -> list[Route]:
    """Open routes."""
    return [
        Route(method="GET", path=CONFIRM_PATH, handler=pages.get, doc=docs.GET_CONFIRM),
        Route(method="POST", path=CONFIRM_PATH, handler=pages.post, doc=docs.POST_CONFIRM),
    ]
