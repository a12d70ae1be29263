"""Makes the links of a mail ours, and adds the pixel that tells when it is opened.

Only values of ``href`` are replaced (and ``data-hs-*`` taken out): every other byte of the html
stays. The same send and the same html give the same bytes.
"""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from hogsend.email.templates.models import MailLink, RenderedMail
from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonObject, stable_stringify
from hogsend.tracking.anchors import StartTag, find_start_tags
from hogsend.tracking.semantic import (
    ANSWER_HREF,
    EVENT_ATTRIBUTE,
    PROPERTIES_ATTRIBUTE,
    read_answer,
)

if TYPE_CHECKING:
    from hogsend.email.ledger_rows import NewSend

CLICK_PATH = "/v1/t/c/"
OPEN_PATH = "/v1/t/o/"
ANSWER_PATH = "/v1/t/a/"
# Written on a link that must stay as it is.
OPT_OUT_ATTRIBUTE = "data-hs-notrack"

# v:roundrect is how Outlook draws a button; its href leads to the same place as the anchor's.
_LINKS = frozenset({"a", "area", "v:roundrect"})
_BODY_END = re.compile(r"</body[\t\n\f\r />]", re.IGNORECASE)
_OURS = ("/v1/email/unsubscribe", "/v1/email/preferences", "/v1/t/")
_URL_CHARACTERS = 8192
_MOST_LINKS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """The html with our links and one row for each distinct target."""

    html: str
    links: tuple[MailLink, ...]


class LinkRewriter:
    """Rewrites for one installation; ``base_url`` is API_PUBLIC_URL. Pure."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self._origin = _origin(self._base)
        prefix = urlsplit(self._base).path
        self._own_paths = tuple(prefix + path for path in _OURS)

    def decorate(self, mail: RenderedMail, send: NewSend) -> RenderedMail:
        """Implements MailDecorator: tracked links and the open pixel.

        Raises InvalidInput for a semantic link that must not be sent.
        """
        if not mail.track:
            return mail
        kept = frozenset(u for u in (mail.unsubscribe_url, mail.preferences_url) if u)
        rewritten = self.rewrite(mail.html, send_id=send.id, kept=kept)
        return replace(
            mail,
            html=add_pixel(rewritten.html, self.pixel_url(send.id)),
            links=(*mail.links, *rewritten.links),
        )

    def rewrite(self, text: str, *, send_id: UUID, kept: frozenset[str] = frozenset()) -> Rewritten:
        """Replace absolute http and https targets; those in ``kept`` and our own pages stay.

        One link for each distinct (url, event, properties); its id depends on the send, the url
        and its position among them.
        """
        links: dict[str, MailLink] = {}
        pieces: list[str] = []
        done = 0
        for tag in find_start_tags(text, _LINKS):
            link = self._link_of(tag, send_id=send_id, kept=kept, links=links)
            for start, end, new in _edits(tag, None if link is None else self.click_url(link.id)):
                pieces += (text[done:start], new)
                done = end
        if not pieces:
            return Rewritten(html=text, links=())
        pieces.append(text[done:])
        return Rewritten(html="".join(pieces), links=tuple(links.values()))

    def click_url(self, link_id: UUID) -> str:
        """Where a rewritten link leads."""
        return f"{self._base}{CLICK_PATH}{link_id}"

    def pixel_url(self, send_id: UUID) -> str:
        """The image that is fetched when the mail is opened."""
        return f"{self._base}{OPEN_PATH}{send_id}"

    def _link_of(
        self, tag: StartTag, *, send_id: UUID, kept: frozenset[str], links: dict[str, MailLink]
    ) -> MailLink | None:
        href, event = tag.get("href"), tag.get(EVENT_ATTRIBUTE)
        url = _clean(href.value) if href is not None and href.value else ""
        answer: JsonObject = {}
        if event is not None:
            properties = tag.get(PROPERTIES_ATTRIBUTE)
            answer = read_answer(event.value or "", properties.value if properties else None)
        is_answer_page = url.lower() == ANSWER_HREF
        if is_answer_page and not answer:
            raise InvalidInput(f"{ANSWER_HREF} needs {EVENT_ATTRIBUTE}", code="invalid_link")
        if not is_answer_page and not self._is_target(tag, url, kept):
            if answer:
                raise InvalidInput(
                    f"the link with {EVENT_ATTRIBUTE}={answer['event']!r} has no web address",
                    code="invalid_link",
                )
            return None
        identity = stable_stringify([url, answer])
        link = links.get(identity)
        if link is None and len(links) < _MOST_LINKS:
            position = len(links)
            link_id = uuid5(send_id, f"{position} {identity}")
            target = f"{self._base}{ANSWER_PATH}{link_id}" if is_answer_page else url
            link = MailLink(id=link_id, url=target, position=position, metadata=answer)
            links[identity] = link
        return link

    def _is_target(self, tag: StartTag, url: str, kept: frozenset[str]) -> bool:
        if tag.get(OPT_OUT_ATTRIBUTE) is not None or url in kept or len(url) > _URL_CHARACTERS:
            return False
        if url[:7].lower() != "http://" and url[:8].lower() != "https://":
            return False
        if "\0" in url or any(0xD800 <= ord(character) <= 0xDFFF for character in url):
            return False  # neither can be stored
        try:
            parts = urlsplit(url)
            is_own_page = parts.path.startswith(self._own_paths) and _origin(url) == self._origin
        except ValueError:
            return False
        return bool(parts.hostname) and not is_own_page


def add_pixel(text: str, url: str) -> str:
    """The pixel before the last ``</body>``, else at the end.

    Not hidden by style: some clients do not fetch what is not displayed.
    """
    pixel = f'<img src="{entities.escape(url)}" width="1" height="1" alt="" border="0">'
    ends = list(_BODY_END.finditer(text))
    at = ends[-1].start() if ends else len(text)
    return text[:at] + pixel + text[at:]


def _edits(tag: StartTag, url: str | None) -> list[tuple[int, int, str]]:
    """What to replace in a tag, in order; whitespace before a removed attribute goes with it."""
    edits: list[tuple[int, int, str]] = []
    previous = 0
    href = tag.get("href")
    for attribute in tag.attributes:
        if attribute is href and url is not None:
            edits.append((attribute.value_start, attribute.end, f'"{entities.escape(url)}"'))
        elif attribute.name.startswith("data-hs-"):
            edits.append((max(previous, attribute.start - 1), attribute.end, ""))
        previous = attribute.end
    return edits


def _clean(url: str) -> str:
    """As browsers read it: no white space around, no tab or line break inside."""
    return url.strip(" \t\n\f\r\x00\x0b\x1f").translate({9: None, 10: None, 13: None})


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or default


def without_pixel(html: str) -> str:
    """A tracked mail without its open pixel: looking at it in Studio is not an open."""
    for tag in reversed(list(find_start_tags(html, frozenset({"img"})))):
        source = tag.get("src")
        if source is not None and OPEN_PATH in (source.value or ""):
            html = html[: tag.start] + html[tag.end :]
    return html
