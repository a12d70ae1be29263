"""Finds calls of ``hogsend`` in the documentation and judges them without running them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click

from hogsend.cli.main import cli
from hogsend.entry import MODES
from hogsend.modes.migrate import build_parser
from tests.docs.pages import Piece, pieces_of

# With and without an interpreter; in a container; as the argument of a container.
_CALL = re.compile(
    r"(?:^|[\s\"'=])(?:python[\d.]* +\S*hogsend(?:-slim)?\.pyz|-m hogsend(?= )"
    r"|docker run [^#]*?hogsend:\S+)(?P<rest> .*|$)"
    r"|^(?:\$ )?hogsend(?P<short> .*|$)"
)
# A comment, what another program does with the output, an explanation in the next column.
_END = re.compile(r"\s+#.*|\s*(?:\||;|&&|>).*|(?<=\S) {2,}.*")
_ELLIPSIS = ("…", "...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``is_whole``: meant to be typed as it stands, so nothing required may be missing."""

    page: str
    arguments: tuple[str, ...]
    is_whole: bool

    def __str__(self) -> str:
        return f"{self.page}: hogsend {shlex.join(self.arguments)}"


def calls_of(page: Path) -> Iterator[Call]:
    """Every call on a page, modes and commands alike."""
    for piece in pieces_of(page):
        if piece.language in ("", "sh", "text", "ini"):
            yield from _calls_in(piece)


def find_fault(call: Call) -> str | None:
    """Why this call would be refused as wrong usage; None when it would be accepted."""
    arguments = [
        argument
        for before, argument in pairwise(("", *call.arguments))
        if argument not in _ELLIPSIS or before.startswith("--")
    ]
    is_whole = call.is_whole and not set(_ELLIPSIS).intersection(call.arguments)
    if not arguments or arguments in (["--help"], ["-h"], ["--version"]):
        return None
    if arguments[0] in MODES:
        return _find_fault_of_mode(arguments[0], arguments[1:])
    return _find_fault_of_command(cli, arguments, is_whole=is_whole)


def _calls_in(piece: Piece) -> Iterator[Call]:
    found = _CALL.search(piece.text)
    if found is None:
        return
    rest = _END.sub("", (found["rest"] or found["short"] or "").strip())
    for quote in "\"'":
        if rest.endswith(quote) and rest.count(quote) % 2:
            rest = rest[:-1]  # it was opened before the call
    yield Call(page=piece.page, arguments=tuple(shlex.split(rest)), is_whole=piece.language == "sh")


def _find_fault_of_mode(mode: str, rest: Sequence[str]) -> str | None:
    if mode == "migrate":
        try:
            build_parser().parse_args(rest)
        except SystemExit:
            return f"migrate does not take {shlex.join(rest)}"
        return None
    return None if list(rest) in ([], ["--help"]) else f"{mode} takes no arguments"


def _find_fault_of_command(
    command: click.Command, arguments: Sequence[str], *, is_whole: bool
) -> str | None:
    rest = list(arguments)
    while isinstance(command, click.Group):
        if not rest or rest[0] in ("-h", "--help"):
            return None
        inner = command.get_command(click.Context(command), rest[0])
        if inner is None:
            return f"{command.name} has no {rest[0]}"
        command, rest = inner, rest[1:]
    if rest in (["-h"], ["--help"]):
        return None
    context = click.Context(command)
    try:
        values, left, _ = command.make_parser(context).parse_args(list(rest))
    except click.UsageError as error:
        return error.message
    if left:
        return f"{command.name} does not take {shlex.join(left)}"
    missing = [
        str(parameter.name)
        for parameter in command.params
        if parameter.required and not isinstance(values.get(str(parameter.name)), str | tuple)
    ]
    return f"{command.name} needs {', '.join(missing)}" if is_whole and missing else None
