"""What a template is and what rendering it yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from hogsend.email.templates.props import PropsModel
from hogsend.kernel.wire_json import JsonObject

BodyKind = Literal["html", "mjml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDefinition:
    """One template as its files describe it.

    ``subject`` and ``preview`` are Jinja text. ``category`` is the preference a person can opt
    out of. ``props`` are checked before every rendering; ``examples`` fill them for previews,
    never for a real mail. ``kind`` says which file holds the body; ``has_text`` whether a
    hand-written plain-text file lies beside it.
    """

    key: str
    subject: str
    category: str | None = None
    preview: str | None = None
    props: PropsModel = field(default_factory=PropsModel)
    examples: JsonObject = field(default_factory=dict)
    kind: BodyKind = "html"
    has_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLink:
    """One rewritten link, stored in the statement that claims the send.

    ``id`` is deterministic (same send and same html give the same ids). ``position`` counts from
    0 in reading order. ``metadata`` may hold ``event`` (text) and ``properties`` (object of
    scalars): they become ``tracked_links.event`` and ``event_properties``.
    """

    id: UUID
    url: str
    position: int
    metadata: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """A complete mail body; ``text`` is never empty when ``html`` says anything.

    ``headers`` are delivered to the recipient. ``links`` are the rows of rewritten links.
    ``track`` false: nothing may be rewritten or added for measuring. ``unsubscribe_url`` and
    ``preferences_url`` are what the template saw; neither may be rewritten.
    """

    subject: str
    html: str
    text: str
    category: str | None = None
    preview: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    links: tuple[MailLink, ...] = ()
    track: bool = True
    unsubscribe_url: str | None = None
    preferences_url: str | None = None
