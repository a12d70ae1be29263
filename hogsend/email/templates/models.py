"""What a template is and what rendering it yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BodyKind = Literal["html", "mjml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDefinition:
    """One template as its files describe it.

    ``subject`` and ``preview`` are Jinja text. ``category`` is the preference a person can opt
    out of. ``required_props`` must be passed to every rendering. ``kind`` says which file holds
    the body; ``has_text`` whether a hand-written plain-text file lies beside it.
    """

    key: str
    subject: str
    category: str | None = None
    preview: str | None = None
    required_props: tuple[str, ...] = ()
    kind: BodyKind = "html"
    has_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """A complete mail body; ``text`` is never empty when ``html`` says anything."""

    subject: str
    html: str
    text: str
    category: str | None = None
    preview: str | None = None
