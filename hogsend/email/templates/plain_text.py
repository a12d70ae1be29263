"""HTML mail to plain text: the alternative part nobody has to write by hand."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = frozenset({"head", "style", "script", "title", "template"})
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr"}
)
_LINES = frozenset({"div", "tr", "li", "section", "header", "footer", "article", "dt", "dd"})
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "area", "base", "col", "wbr"})
# A preheader is padded with these so that clients show nothing after it.
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2007\ufeff\u00ad\u034f]")

# Stand for line breaks and blanks inside <pre> until the rest is tidied (private use area).
_KEPT_BREAK, _KEPT_SPACE = "\ue000", "\ue001"
# Targets that mean something to Hogsend only, before they are rewritten.
_INTERNAL = "hogsend:"


def html_to_text(html: str) -> str:
    """Readable text: links as ``label (address)``, list items dashed, images and hidden parts out.

    Elements with ``data-skip-in-text="true"``, ``hidden`` or ``display:none`` are left out. Lines
    are not wrapped.
    """
    writer = _TextWriter()
    writer.feed(html)
    writer.close()
    return writer.text()


class _TextWriter(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._breaks = 0  # line breaks owed before the next visible character
        self._skipping: list[str] = []  # open elements, counted only while inside a skipped one
        self._links: list[tuple[str, int]] = []  # address, index of the first part of its label
        self._lists: list[int | None] = []  # next number of each open list, None for dashes
        self._verbatim = 0  # open <pre> elements

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if self._skipping or tag in _SILENT or _is_hidden(values):
            if tag not in _VOID:
                self._skipping.append(tag)
            return
        self._break_before(tag)
        if tag == "pre":
            self._verbatim += 1
        elif tag == "a":
            self._links.append((values.get("href", ""), len(self._parts)))
        elif tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._write(self._bullet())

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            if tag in self._skipping:
                while self._skipping.pop() != tag:
                    pass
            return
        if tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        elif tag == "a" and self._links:
            self._close_link()
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag in ("td", "th") and not self._breaks:
            self._parts.append(" ")
        if tag not in _VOID:
            self._break_before(tag)

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        if self._verbatim:
            self._write(data.replace("\n", _KEPT_BREAK).replace(" ", _KEPT_SPACE))
        elif data.strip() or not self._breaks:
            self._write(re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """Everything read so far, white space tidied."""
        joined = _INVISIBLE.sub("", "".join(self._parts)).replace("\u00a0", " ")
        lines = [re.sub(r" {2,}", " ", line).strip() for line in joined.split("\n")]
        tidy = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        return tidy.replace(_KEPT_BREAK, "\n").replace(_KEPT_SPACE, " ")

    def _break_before(self, tag: str) -> None:
        if tag == "br":
            self._breaks += 1
        elif tag in _PARAGRAPHS:
            self._breaks = max(self._breaks, 2)
        elif tag in _LINES:
            self._breaks = max(self._breaks, 1)

    def _write(self, text: str) -> None:
        self._parts.append("\n" * min(self._breaks, 2) + text)
        self._breaks = 0

    def _bullet(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _close_link(self) -> None:
        address, start = self._links.pop()
        label = re.sub(r"\s+", " ", "".join(self._parts[start:])).strip()
        is_shown = address and not address.startswith(("#", _INTERNAL))
        if is_shown and address.removeprefix("mailto:") != label:
            self._write(f" ({address})" if label else address)


def _is_hidden(values: dict[str, str]) -> bool:
    style = values.get("style", "").replace(" ", "").lower()
    return (
        values.get("data-skip-in-text") == "true" or "hidden" in values or "display:none" in style
    )
