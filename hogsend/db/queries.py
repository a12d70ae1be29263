"""Named SQL: files of queries with ``-- name:`` headers, read once, checked by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

_HEADER = re.compile(r"^-- name:\s*(\w+)\s*$", re.MULTILINE)
# What must be skipped when looking for :name, then the placeholder itself.
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|\$\$.*?\$\$|--[^\n]*|/\*.*?\*/|::|(?<![\w:]):([a-z_][a-z0-9_]*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with ``$n`` placeholders and the parameter names behind them."""

    name: str
    sql: str
    parameters: tuple[str, ...]

    @classmethod
    def parse(cls, name: str, text: str) -> Query:
        """Turn ``:name`` placeholders into ``$n``; a name used twice is one parameter."""
        names: list[str] = []

        def replace(match: re.Match[str]) -> str:
            parameter = match.group(1)
            if parameter is None:
                return match.group(0)
            if parameter not in names:
                names.append(parameter)
            return f"${names.index(parameter) + 1}"

        return cls(name, _TOKEN.sub(replace, text.strip()), tuple(names))


class QueryFile(Mapping[str, Query]):
    """The queries of one ``.sql`` file beside its slice.

    Each begins with ``-- name: verb_noun``; the comment under it is for readers. An unknown
    name raises KeyError that lists the known ones.
    """

    def __init__(self, package: str | None, file: str) -> None:
        if package is None:
            raise ValueError("a query file belongs to a package")
        self._file = f"{package}/{file}"
        text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
        self._queries = {q.name: q for q in parse_queries(text)}

    def __getitem__(self, name: str) -> Query:
        query = self._queries.get(name)
        if query is None:
            known = ", ".join(sorted(self._queries))
            raise KeyError(f"{self._file} has no query {name!r}; it has {known}")
        return query

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def parse_queries(text: str) -> list[Query]:
    """Split a file at its headers; raises ValueError for a name that occurs twice."""
    parts = _HEADER.split(text)
    names = parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError("a query name occurs twice")
    return [
        Query.parse(name, body)
        for name, body in zip(names, parts[2::2], strict=True)
    ]
