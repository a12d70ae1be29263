"""Public pages: small, without scripts, in the reader's language, safe to show anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from hogsend.preferences.pages_text import TEXTS, choose_language
from hogsend.web.http import Request, Response

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_FIELDS = 500


class Words:
    """The texts of one language; values are filled in as plain text."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = TEXTS[language]

    def __call__(self, key: str, **values: str) -> str:
        text = self._texts[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text


class Pages:
    """Renders the templates of this package; they are compiled on first use."""

    def words(self, req: Request) -> Words:
        """The texts in the language the browser asks for."""
        return Words(choose_language(req.env.get("HTTP_ACCEPT_LANGUAGE")))

    def show(
        self, resp: Response, template: str, words: Words, *, status: int = 200, **values: Any
    ) -> None:
        """Answer with a page that no cache keeps and no other site can frame."""
        style = self._style
        page = self._environment.get_template(template).render(
            lang=words.language, style=style.markup, **values
        )
        resp.html(page, status)
        resp.set_header("Content-Language", words.language)
        resp.set_header("Vary", "Accept-Language")
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Robots-Tag", "noindex, nofollow")
        resp.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; style-src '{style.digest}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
        )

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        return Environment(
            loader=PackageLoader(__package__ or "hogsend.preferences"),
            autoescape=True,
            undefined=_blank(StrictUndefined),
            trim_blocks=True,
            auto_reload=False,
        )

    @cached_property
    def _style(self) -> _Style:
        folder = resources.files(__package__ or "hogsend.preferences")
        return _Style(folder.joinpath("templates/style.css").read_text(encoding="utf-8").strip())


class _Style:
    def __init__(self, text: str) -> None:
        from markupsafe import Markup

        self.markup = Markup(text)  # noqa: S704 -- a file of this package
        digest = hashlib.sha256(text.encode()).digest()
        self.digest = f"sha256-{base64.b64encode(digest).decode()}"


def _blank(strict: type[Any]) -> type[Any]:
    """Undefined values may be tested (``{% if link %}``) but never printed."""

    class Blank(strict):  # type: ignore[misc]
        def __bool__(self) -> bool:
            return False

    return Blank


def read_form(req: Request) -> dict[str, list[str]]:
    """The fields of a submitted form; empty for a body of another kind."""
    content_type = (req.content_type or "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        return {}
    try:
        return parse_qs(
            req.body().decode("utf-8", "replace").replace("\0", ""),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        return {}
