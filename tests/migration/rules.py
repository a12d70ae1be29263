"""What a migration may do while the release before it still runs (docs/upgrades.md).

Judges the text of one file against the tables that were there before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

# The last migration of every release. A table that an earlier release made holds rows.
LAST_MIGRATION_OF: dict[str, int] = {}

_NOISE = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag)", re.DOTALL
)
_NAME = r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?([\w.\"]+)"
_CREATE_TABLE = re.compile(rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+{_NAME}", re.I)
_CREATE_INDEX = re.compile(
    rf"CREATE\s+(UNIQUE\s+)?INDEX\s+(CONCURRENTLY\s+)?{_NAME}\s+ON\s+(?:ONLY\s+)?([\w.\"]+)", re.I
)
_CREATE_FUNCTION = re.compile(rf"CREATE\s+(OR\s+REPLACE\s+)?FUNCTION\s+{_NAME}", re.I)
_ALTER_TABLE = re.compile(rf"ALTER\s+TABLE\s+{_NAME}\s+(.*)", re.I | re.S)
_DROP = re.compile(
    rf"DROP\s+(TABLE|VIEW|MATERIALIZED\s+VIEW|FUNCTION|TYPE|SCHEMA|SEQUENCE|TRIGGER|INDEX)\s+"
    rf"(?:CONCURRENTLY\s+)?{_NAME}",
    re.I,
)
_RENAME = re.compile(
    r"ALTER\s+(?:VIEW|INDEX|FUNCTION|TYPE|SCHEMA|SEQUENCE)\b.*\bRENAME\b", re.I | re.S
)
_REWRITING_DEFAULT = re.compile(
    r"\b(gen_random_uuid|random|clock_timestamp|nextval|timeofday|uuidv7)\s*\(|GENERATED\s", re.I
)
_ALLOW = re.compile(r"(?m)^-- allow: ([\w-]+): \S")
_UNUSED_SINCE = re.compile(r"(?m)^-- unused since: (\S+)$")
_SCHEMA_CHANGE = re.compile(r"\s*(CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE)\b", re.I)


@dataclass(slots=True)
class Known:
    """What files before this one made: tables, unique indexes, functions; and in which file."""

    tables: dict[str, int] = field(default_factory=dict)
    unique_indexes: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    def learn(self, version: int, text: str) -> None:
        """Add what this file makes."""
        for statement in statements(text):
            if match := _CREATE_TABLE.match(statement):
                self.tables[_plain(match[1])] = version
            elif match := _CREATE_INDEX.match(statement):
                if match[1]:
                    self.unique_indexes.add(_plain(match[3]))
            elif match := _CREATE_FUNCTION.match(statement):
                self.functions.add(_plain(match[2]))


def judge(
    text: str, *, known: Known, releases: dict[str, int] | None = None, next_version: str = ""
) -> list[str]:
    """Names of the rules that the file breaks, each with the statement; exceptions taken out."""
    released = LAST_MIGRATION_OF if releases is None else releases
    phase = text.splitlines()[0].removeprefix("-- phase: ").strip() if text else ""
    full = {
        table
        for table, version in known.tables.items()
        if version <= max(released.values(), default=0)
    }
    match phase:
        case "expand":
            found = list(_judge_expand(text, known, full))
        case "data":
            found = [
                f"data-changes-schema: {_short(s)}"
                for s in statements(text)
                if _SCHEMA_CHANGE.match(s) and not re.match(r"CREATE\s+TEMP", s, re.I)
            ]
        case "contract":
            found = list(_judge_contract(text, released, next_version))
        case _:
            found = [f"phase: {phase!r} is none"]
    excused = set(_ALLOW.findall(text))
    return [finding for finding in found if finding.partition(":")[0] not in excused]


def statements(text: str) -> Iterator[str]:
    """Statements without comments, strings and function bodies."""
    for part in _NOISE.sub(_blank, text).split(";"):
        if part.strip():
            yield part.strip()


def _judge_expand(text: str, known: Known, full: Set[str]) -> Iterator[str]:
    made: set[str] = set()
    for statement in statements(text):
        if match := _CREATE_TABLE.match(statement):
            made.add(_plain(match[1]))
        elif match := _DROP.match(statement):
            kind, name = re.sub(r"\s+", " ", match[1].upper()), _plain(match[2])
            if kind != "INDEX" or name in known.unique_indexes:
                yield f"drop: {_short(statement)}"
        elif _RENAME.match(statement):
            yield f"rename: {_short(statement)}"
        elif match := _CREATE_FUNCTION.match(statement):
            if match[1] or _plain(match[2]) in known.functions:
                yield f"replace-function: {_short(statement)}"
        elif match := _CREATE_INDEX.match(statement):
            if _plain(match[4]) in full and not match[2]:
                yield f"lock-index: {_short(statement)}"
        elif (match := _ALTER_TABLE.match(statement)) and _plain(match[1]) not in made:
            for action in _split(match[2]):
                yield from _judge_action(action, statement, is_full=_plain(match[1]) in full)


def _judge_action(action: str, statement: str, *, is_full: bool) -> Iterator[str]:
    words = re.sub(r"\s+", " ", action.strip())
    is_new_column = re.match(
        r"ADD (COLUMN )?(?!CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)", words, re.I
    )
    if re.match(r"DROP (COLUMN|CONSTRAINT)", words, re.I):
        yield f"drop: {_short(statement)}"
    elif re.match(r"RENAME ", words, re.I):
        yield f"rename: {_short(statement)}"
    elif re.match(r"ALTER (COLUMN )?\S+ (SET DATA )?TYPE ", words, re.I):
        yield f"type: {_short(statement)}"
    elif re.match(r"ALTER (COLUMN )?\S+ (SET NOT NULL|DROP DEFAULT)", words, re.I):
        yield f"demand: {_short(statement)}"
    elif is_new_column:
        is_demanded = re.search(r"\bNOT NULL\b|\bPRIMARY KEY\b", words, re.I)
        if is_demanded and not re.search(r"\bDEFAULT\b|\bGENERATED\b", words, re.I):
            yield f"demand: {_short(statement)}"
        if is_full and re.search(r"\b(UNIQUE|PRIMARY KEY)\b", words, re.I):
            yield f"lock-index: {_short(statement)}"
        if is_full and _REWRITING_DEFAULT.search(words):
            yield f"rewrite: {_short(statement)}"
        if re.search(r"\bCHECK\b|\bREFERENCES\b", words, re.I) and is_full:
            yield f"lock-constraint: {_short(statement)}"
    elif re.match(r"ADD ", words, re.I):
        is_later = re.search(r"\bNOT VALID\b|\bUSING INDEX\b", words, re.I)
        if is_full and not is_later:
            yield f"lock-constraint: {_short(statement)}"


def _judge_contract(text: str, released: dict[str, int], next_version: str) -> Iterator[str]:
    match = _UNUSED_SINCE.search(text)
    if match is None:
        yield "unused-since: names no release that stopped using it"
    elif match[1] not in released or match[1] == next_version:
        yield f"unused-since: {match[1]} was not released before this"


def _split(actions: str) -> list[str]:
    """At commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(actions):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(actions[start:index])
            start = index + 1
    return [*parts, actions[start:]]


def _blank(match: re.Match[str]) -> str:
    return "''" if match[0].startswith("'") or match["tag"] else " "


def _plain(name: str) -> str:
    return name.replace('"', "").removeprefix("public.").lower()


def _short(statement: str) -> str:
    return re.sub(r"\s+", " ", statement)[:100]
