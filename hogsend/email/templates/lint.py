"""What is wrong with a mail before anybody gets it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal, Protocol

from hogsend.email.templates.models import RenderedMail, TemplateDefinition
from hogsend.errors import HogsendError
from hogsend.kernel.wire_json import JsonValue

# Gmail cuts a mail off here and hides the rest, the unsubscribe link with it.
CLIP_BYTES = 102_000
_WARN_BYTES = 80_000
_SUBJECT_CHARACTERS = 90
_MIN_CONTRAST = 4.5
_LARGE_PIXELS = 24.0
_LARGE_CONTRAST = 3.0
_EMPTY_TARGETS = frozenset({"", "#", "javascript:void(0)", "javascript:;", "http://", "https://"})
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "area", "base", "col", "wbr"})
_DECLARATION = re.compile(r"([a-z-]+)\s*:\s*([^;]+)")
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})\b", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*(\d+)[ ,]+(\d+)[ ,]+(\d+)")
_NAMED = {"white": "#ffffff", "black": "#000000"}

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``error``: do not send it like this. ``rule`` is stable."""

    template: str
    rule: str
    severity: Severity
    message: str


class LintedTemplates(Protocol):
    """What is looked at; ``TemplateRegistry``."""

    def keys(self) -> list[str]: ...

    def get_definition(self, key: str) -> TemplateDefinition: ...

    def preview(self, key: str, props: Mapping[str, JsonValue] | None = None) -> RenderedMail: ...


def lint_all(templates: LintedTemplates) -> list[Finding]:
    """Every template, filled with its examples, in order of keys."""
    return [finding for key in templates.keys() for finding in lint(templates, key)]  # noqa: SIM118


def lint(templates: LintedTemplates, key: str) -> list[Finding]:
    """The findings of one template; one that does not render has that finding only."""
    try:
        mail = templates.preview(key)
    except HogsendError as error:
        return [_found(key, "renders", "error", str(error))]
    return lint_mail(key, mail)


def lint_mail(key: str, mail: RenderedMail) -> list[Finding]:
    """The findings of a rendered mail."""
    reader = _Reader()
    reader.feed(mail.html)
    reader.close()
    return [
        *_size(key, mail),
        *_texts(key, mail),
        *_leaving(key, mail, reader),
        *_links(key, reader),
        *_images(key, reader),
        *_contrast(key, reader),
    ]


def _size(key: str, mail: RenderedMail) -> list[Finding]:
    size = len(mail.html.encode())
    if size > CLIP_BYTES:
        return [_found(key, "size", "error", f"{size} bytes: Gmail cuts off after {CLIP_BYTES}")]
    if size > _WARN_BYTES:
        message = f"{size} bytes, and tracked links add to it: Gmail cuts off after {CLIP_BYTES}"
        return [_found(key, "size", "warning", message)]
    return []


def _texts(key: str, mail: RenderedMail) -> list[Finding]:
    found: list[Finding] = []
    if not mail.text.strip():
        found.append(_found(key, "text", "error", "the plain-text part is empty"))
    if not mail.subject.strip():
        found.append(_found(key, "subject", "error", "the subject is empty"))
    elif len(mail.subject) > _SUBJECT_CHARACTERS:
        message = f"{len(mail.subject)} characters: phones show about 40"
        found.append(_found(key, "subject", "warning", message))
    if not mail.preview:
        message = "no preview line: mail programs show the first words they find instead"
        found.append(_found(key, "preview", "warning", message))
    return found


def _leaving(key: str, mail: RenderedMail, reader: _Reader) -> list[Finding]:
    if mail.category == "transactional":
        return []
    if any("unsubscribe" in link.href.lower() for link in reader.links):
        return []
    message = "no link uses unsubscribe_url: nobody can leave from inside the mail"
    return [_found(key, "unsubscribe", "error", message)]


def _links(key: str, reader: _Reader) -> list[Finding]:
    found: list[Finding] = []
    for link in reader.links:
        target = link.href.strip()
        shown = link.label or "without a label"
        if target.lower() in _EMPTY_TARGETS:
            message = f"the link {shown!r} leads nowhere ({target!r})"
        elif target.startswith("#") and target[1:] not in reader.anchors:
            message = f"the link {shown!r} leads to {target}, which is not in the mail"
        elif ":" not in target.split("/", 1)[0] and not target.startswith("#"):
            message = (
                f"the link {shown!r} is relative ({target!r}): a mail has no address of its own"
            )
        elif target.lower().startswith(("javascript:", "data:", "vbscript:")):
            message = f"the link {shown!r} would run code"
        else:
            continue
        found.append(_found(key, "links", "error", message))
    if any(not link.label for link in reader.links):
        message = "a link has no text and no aria-label: a screen reader cannot name it"
        found.append(_found(key, "link-text", "warning", message))
    return found


def _images(key: str, reader: _Reader) -> list[Finding]:
    if not reader.images_without_alt:
        return []
    message = f"{reader.images_without_alt} image(s) without alt text"
    return [_found(key, "alt", "warning", message)]


def _contrast(key: str, reader: _Reader) -> list[Finding]:
    found: list[Finding] = []
    for pair, (text, is_large) in reader.colours.items():
        ratio = contrast(*pair)
        if ratio < (_LARGE_CONTRAST if is_large else _MIN_CONTRAST):
            message = f"{pair[0]} on {pair[1]} has a contrast of {ratio:.1f}: {text!r}"
            found.append(_found(key, "contrast", "error", message))
    return found


def _found(key: str, rule: str, severity: Severity, message: str) -> Finding:
    return Finding(template=key, rule=rule, severity=severity, message=message)


def contrast(one: str, other: str) -> float:
    """Of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.2, 1.4.3)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _colour(value: str) -> str | None:
    """``#rrggbb`` of a CSS colour; None for one that cannot be read (or is transparent)."""
    text = _NAMED.get(value.strip().lower(), value.strip())
    if match := _HEX.search(text):
        digits = match.group(1).lower()
        return "#" + (digits if len(digits) == 6 else "".join(d * 2 for d in digits))
    if match := _RGB.match(text):
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in match.groups())
    return None


@dataclass(slots=True)
class _Link:
    href: str
    label: str


@dataclass(frozen=True, slots=True)
class _Look:
    tag: str
    colour: str
    background: str
    pixels: float
    is_hidden: bool


class _Reader(HTMLParser):
    """Links, anchors, images and the colours text really has (inline styles only)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[_Link] = []
        self.anchors: set[str] = set()
        self.images_without_alt = 0
        self.colours: dict[tuple[str, str], tuple[str, bool]] = {}
        self._looks = [_Look("", "#000000", "#ffffff", 16.0, False)]
        self._open: list[_Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and "href" in values:
            link = _Link(values["href"], values.get("aria-label", "").strip())
            self.links.append(link)
            self._open.append(link)
        if tag == "img":
            self.images_without_alt += "alt" not in values
            for link in self._open[-1:]:
                link.label = link.label or values.get("alt", "").strip()
        if tag not in _VOID:
            self._looks.append(self._look(tag, values))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._open:
            self._open.pop()
        if any(look.tag == tag for look in self._looks):
            while self._looks.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        text = data.strip()
        look = self._looks[-1]
        if not text or look.is_hidden:
            return
        for link in self._open[-1:]:
            link.label = link.label or text
        self.colours.setdefault(
            (look.colour, look.background), (text[:40], look.pixels >= _LARGE_PIXELS)
        )

    def _look(self, tag: str, values: Mapping[str, str]) -> _Look:
        above = self._looks[-1]
        style = dict(_DECLARATION.findall(values.get("style", "").lower()))
        background = style.get("background-color") or style.get("background") or ""
        background = background or values.get("bgcolor", "")
        pixels = re.match(r"([\d.]+)px", style.get("font-size", ""))
        is_hidden = "none" in style.get("display", "") or tag in ("head", "style", "script")
        return _Look(
            tag,
            _colour(style.get("color", "")) or above.colour,
            _colour(background) or above.background,
            float(pixels.group(1)) if pixels else above.pixels,
            above.is_hidden or is_hidden,
        )
