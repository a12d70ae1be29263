"""The ``---`` block at the head of a template file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hogsend.errors import ConfigError

_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_KEYS = ("subject", "category", "preview", "props", "examples")
# Their value may be written on the following, indented lines.
_BLOCKS = frozenset({"props", "examples"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSource:
    """Front matter as key to text, and the body with its line numbers kept."""

    fields: dict[str, str] = field(default_factory=dict)
    body: str = ""


def split_source(source: str, *, name: str) -> SplitSource:
    """Separate front matter and body; raises ConfigError for a line that is not ``key: value``.

    The block is replaced by a Jinja comment of as many lines, so errors name the line the author
    sees in the file.
    """
    match = _BLOCK.match(source)
    if match is None:
        return SplitSource(body=source)
    blank = "{#" + "\n" * match.group(0).count("\n") + "-#}"
    fields = _parse_lines(match.group(1), name=name)
    return SplitSource(fields=fields, body=blank + source[match.end() :])


def _parse_lines(block: str, *, name: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    open_block: str | None = None
    for number, line in enumerate(block.splitlines(), start=2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if open_block is not None and line[0] in " \t":
            fields[open_block] += line.strip() + "\n"
            continue
        key, colon, value = line.partition(":")
        if not colon or key.strip() not in _KEYS:
            raise ConfigError(
                f"{name}, line {number}: {line.strip()!r} is not front matter",
                hint=f"write `key: value` with one of {', '.join(_KEYS)}",
            )
        fields[key.strip()] = _unquote(value.strip())
        is_open = key.strip() in _BLOCKS and not value.strip()
        open_block = key.strip() if is_open else None
    return fields


def _unquote(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
