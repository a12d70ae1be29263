"""Finds link tags in HTML, with the offsets of everything in them.

A tokenizer after the HTML standard (https://html.spec.whatwg.org/multipage/parsing.html, section
13.2.5), reduced to what decides where a start tag begins and what its attributes are: comments,
declarations, raw text elements, quotes. It builds no tree and changes nothing, so what is not
spliced afterwards stays byte for byte. Runs once over the text, without backtracking.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5

# Their content is text up to the matching end tag, whatever it looks like.
_RAW_TEXT = frozenset(
    {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"}
)
_TAG_NAME = re.compile(r"[A-Za-z][^\t\n\f\r />]*")
_ATTRIBUTE = re.compile(
    r"[\t\n\f\r /]*"
    r"(?P<name>=?[^\t\n\f\r />=]+|=)"
    r"(?:[\t\n\f\r ]*=[\t\n\f\r ]*"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\t\n\f\r >\"'][^\t\n\f\r >]*)?)?"
)
_SPACE = re.compile(r"[\t\n\f\r /]*")
_COMMENT_END = re.compile(r"--!?>")
_CONDITIONAL = re.compile(r"\[if [^\]]*\]>")
_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9A-Fa-f]+;?|[A-Za-z][A-Za-z0-9]*;?)")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class Attribute:
    """``start`` to ``end`` covers name and value; ``value_start`` begins at the quote, if any.

    ``value`` is decoded; None without ``=``.
    """

    name: str
    value: str | None
    start: int
    end: int
    value_start: int


@dataclass(frozen=True, slots=True)
class StartTag:
    """``name`` is lower-case; ``attributes`` are all that are written, doubles included."""

    name: str
    start: int
    end: int
    attributes: tuple[Attribute, ...]

    def get(self, name: str) -> Attribute | None:
        """The attribute a browser would use: the first of its name."""
        return next((a for a in self.attributes if a.name == name), None)


def find_start_tags(
    text: str, names: frozenset[str], *, start: int = 0, end: int | None = None
) -> Iterator[StartTag]:
    """Start tags of these names between two offsets, in reading order.

    Looks into conditional comments (``<!--[if mso]>…<![endif]-->``) too, which Outlook shows.
    """
    limit = len(text) if end is None else end
    at = text.find("<", start, limit)
    while at >= 0:
        following = text[at + 1 : at + 2]
        after = at + 1
        if following in _LETTERS:
            tag = _read_tag(text, at, limit)
            if tag is None:
                return  # the text ends inside the tag: it is no tag
            if tag.name in names:
                yield tag
            after = _skip_raw_text(text, tag, limit) if tag.name in _RAW_TEXT else tag.end
            if tag.name == "plaintext":
                return
        elif text.startswith("<!--", at):
            content_end, after = _read_comment(text, at + 4, limit)
            conditional = _CONDITIONAL.match(text, at + 4, content_end)
            if conditional is not None:
                yield from find_start_tags(text, names, start=conditional.end(), end=content_end)
        elif following in ("!", "?", "/"):
            if following == "/" and text[at + 2 : at + 3] in _LETTERS:
                ending = _read_tag(text, at + 1, limit)
                if ending is None:
                    return
                after = ending.end
            else:
                closing = text.find(">", at + 2, limit)
                if closing < 0:
                    return
                after = closing + 1
        at = text.find("<", after, limit)


def decode_attribute(raw: str) -> str:
    """Character references as browsers read them in attributes.

    ``&copy=1`` in a query string is not a copyright sign: a name without its semicolon counts
    only when no letter, digit or ``=`` follows (13.2.5.73).
    """
    if "&" not in raw:
        return raw

    def decode(match: re.Match[str]) -> str:
        found = match.group()
        if found[1] == "#":
            return html.unescape(found)
        if found.endswith(";") and found[1:] in html5:
            return html5[found[1:]]
        for length in range(len(found), 2, -1):
            name = found[1:length]
            if not name.endswith(";") and name in html5:
                rest = raw[match.start() + length : match.start() + length + 1]
                if rest == "=" or (rest.isascii() and rest.isalnum()):
                    return found
                return html5[name] + found[length:]
        return found

    return _REFERENCE.sub(decode, raw)


def _read_tag(text: str, at: int, limit: int) -> StartTag | None:
    name = _TAG_NAME.match(text, at + 1, limit)
    assert name is not None
    attributes: list[Attribute] = []
    position = name.end()
    while True:
        match = _ATTRIBUTE.match(text, position, limit)
        if match is None:
            break
        position = match.end()
        has_no_value = match["value"] is None and position > match.end("name")
        if has_no_value and text[position : position + 1] in ("'", '"'):
            return None  # an opened quote is never closed
        attributes.append(_to_attribute(match))
    space = _SPACE.match(text, position, limit)
    position = position if space is None else space.end()
    if position >= limit or text[position] != ">":
        return None
    return StartTag(name.group().lower(), at, position + 1, tuple(attributes))


def _to_attribute(match: re.Match[str]) -> Attribute:
    raw = match["value"]
    if raw is not None and raw[0] in "\"'":
        raw = raw[1:-1]
    has_value = match.end() > match.end("name")
    value = decode_attribute(raw) if raw is not None else ("" if has_value else None)
    value_start = match.start("value") if match["value"] is not None else match.end()
    return Attribute(match["name"].lower(), value, match.start("name"), match.end(), value_start)


def _read_comment(text: str, start: int, limit: int) -> tuple[int, int]:
    """Where the content of a comment ends and where the text goes on."""
    for abrupt in (">", "->"):
        if text.startswith(abrupt, start):
            return start, start + len(abrupt)
    closing = _COMMENT_END.search(text, start, limit)
    return (closing.start(), closing.end()) if closing else (limit, limit)


def _skip_raw_text(text: str, tag: StartTag, limit: int) -> int:
    ending = re.compile(rf"</{re.escape(tag.name)}[\t\n\f\r />]", re.IGNORECASE)
    match = ending.search(text, tag.end, limit)
    return match.start() if match else limit
