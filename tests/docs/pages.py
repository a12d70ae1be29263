"""Reads the documentation: its pages, links, anchors and pieces of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(
    r"^ *```(?P<language>[a-z]*)[^\n]*\n(?P<body>.*?)^ *```", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_CONTINUED = re.compile(r"\\\n *")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One line of a fenced block, or one inline span. ``language`` is empty for spans."""

    page: str
    language: str
    text: str


def name_of(page: Path) -> str:
    """The page as people call it."""
    return str(page.relative_to(ROOT))


def links_of(page: Path) -> list[str]:
    """Targets of the links and pictures of a page, those in code left out."""
    return _LINK.findall(_SPAN.sub("", _FENCE.sub("", page.read_text("utf-8"))))


def anchors_of(page: Path) -> set[str]:
    """What ``#…`` may name on a page, by the rule of the site that shows the repository."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text("utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        found.add(next(a for a in _numbered(anchor) if a not in found))
    return found


def pieces_of(page: Path) -> Iterator[Piece]:
    """Every line of every fenced block, continued lines joined, and every span outside."""
    text = page.read_text("utf-8")
    for fence in _FENCE.finditer(text):
        for line in _CONTINUED.sub(" ", fence["body"]).splitlines():
            yield Piece(page=name_of(page), language=fence["language"] or "text", text=line.strip())
    for span in _SPAN.findall(_FENCE.sub("", text)):
        yield Piece(page=name_of(page), language="", text=" ".join(span.split()))


def _numbered(anchor: str) -> Iterator[str]:
    yield anchor
    number = 1
    while True:
        yield f"{anchor}-{number}"
        number += 1
