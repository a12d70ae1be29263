"""SQL that lives in files beside its slice, loaded by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

_HEADER = re.compile(r"^--[ \t]*name:[ \t]*(\S+)[ \t]*$", re.MULTILINE)

# Everything a colon may hide in comes first, so that only real placeholders reach the last group.
_TOKEN = re.compile(
    r"""
      '(?:[^']|'')*'                                  # string
    | "(?:[^"]|"")*"                                  # identifier
    | --[^\n]*                                        # comment
    | /\*.*?\*/                                       # comment
    | (?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag)       # dollar-quoted string
    | ::                                              # cast
    | :=                                              # named argument
    | (?<![\w:]):(?P<name>[A-Za-z_]\w*)               # placeholder
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement: ``sql`` has $1, $2, … for the values of ``parameters`` in that order."""

    name: str
    sql: str
    parameters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str, text: str) -> Query:
        """Replace ``:name`` placeholders, except in strings, comments and ``::`` casts."""
        order: dict[str, int] = {}

        def number(match: re.Match[str]) -> str:
            placeholder = match.group("name")
            if placeholder is None:
                return match.group()
            return f"${order.setdefault(placeholder, len(order) + 1)}"

        sql = _TOKEN.sub(number, text).strip().rstrip(";").rstrip()
        return cls(name, sql, tuple(order))


class QueryFile(Mapping[str, Query]):
    """The queries of one ``.sql`` file of a package, each under a ``-- name: verb_noun`` line."""

    def __init__(self, package: str | None, file_name: str) -> None:
        if package is None:
            raise ValueError("a query file belongs to a package")
        self.package = package
        self.file_name = file_name
        text = resources.files(package).joinpath(file_name).read_text(encoding="utf-8")
        self._queries = _parse_file(text, source=f"{package}/{file_name}")

    def __getitem__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            known = ", ".join(sorted(self._queries))
            raise KeyError(
                f"no query {name!r} in {self.package}/{self.file_name}; it has: {known}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def find_query_files(package: str = "hogsend") -> list[QueryFile]:
    """Every query file under a package, migrations excepted."""
    return list(_walk(resources.files(package), package))


def _walk(folder: Traversable, package: str) -> Iterator[QueryFile]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir() and entry.name.isidentifier() and entry.name != "_migrations":
            yield from _walk(entry, f"{package}.{entry.name}")
        elif entry.name.endswith(".sql") and _HEADER.search(entry.read_text(encoding="utf-8")):
            yield QueryFile(package, entry.name)


def _parse_file(text: str, *, source: str) -> dict[str, Query]:
    headers = list(_HEADER.finditer(text))
    queries: dict[str, Query] = {}
    for index, header in enumerate(headers):
        name = header.group(1)
        end = headers[index + 1].start() if index + 1 < len(headers) else len(text)
        if name in queries:
            raise ValueError(f"query {name!r} appears twice in {source}")
        queries[name] = Query.parse(name, text[header.end() : end])
    return queries
