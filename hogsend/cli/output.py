"""What commands print: text for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from hogsend.errors import HogsendError

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json``; the function gets it as ``as_json``."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return option(function)


def print_json(value: object) -> None:
    """One JSON document on standard output; instants as ISO-8601 with Z."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_to_json))


def print_error(error: HogsendError, *, as_json: bool) -> None:
    """The message of an error, where programs or people look for it."""
    if as_json:
        print_json({"error": str(error)})
    else:
        for line in str(error).splitlines():
            click.echo(f"error: {line.strip()}", err=True)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns, left-aligned, two blanks apart; an empty cell is a dash."""
    cells = [list(head)] + [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _cell(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, datetime):
        return _instant(value)
    return " ".join(str(value).split())


def _instant(value: datetime) -> str:
    from hogsend.kernel.wire_json import iso_z  # pydantic: more than --help takes without it

    return iso_z(value)


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    return str(value)
