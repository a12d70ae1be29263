"""Migrations as they lie on disk: the engine's own and those of the content author."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, TypeAlias

from hogsend.errors import ConfigError

Track: TypeAlias = Literal["engine", "client"]
BREAKPOINT = "--> statement-breakpoint"

_FILE = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_NO_TRANSACTION = re.compile(r"^--[ \t]*no-transaction[ \t]*$", re.MULTILINE)
_LEADING_COMMENTS = re.compile(r"\A(?:\s*--[^\n]*\n)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file. ``name`` has no suffix, ``checksum`` is the sha256 of its text.

    ``is_transactional`` is False for a file with ``-- no-transaction`` among its leading comments;
    its ``statements`` then run one by one. Otherwise there is one statement: the whole text.
    """

    version: int
    name: str
    checksum: str
    is_transactional: bool
    statements: tuple[str, ...]


def load_engine_track() -> tuple[Migration, ...]:
    """The migrations this build needs; raises ConfigError when they were not packed."""
    folder = _engine_folder()
    found: list[Migration] = []
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE.match(entry.name)
        if match is None:
            raise ConfigError(f"migration {entry.name} is not named NNNN_verb_noun.sql")
        text = entry.read_text(encoding="utf-8")
        found.append(make_migration(int(match.group(1)), entry.name.removesuffix(".sql"), text))
    _require_order(found, "the engine's migrations")
    if not found:
        raise ConfigError("this build contains no migrations", hint="build it again")
    return tuple(found)


def load_client_track(folder: Path | None) -> tuple[Migration, ...]:
    """The author's migrations: ``meta/_journal.json`` names the files, ``idx`` orders them.

    An unset folder, one that does not exist and one without a journal have none. Raises
    ConfigError for a broken journal or a file that it names and that is missing.
    """
    if folder is None or not (journal := folder / "meta" / "_journal.json").is_file():
        return ()
    try:
        entries = json.loads(journal.read_text(encoding="utf-8"))["entries"]
        listed = [(int(entry["idx"]), str(entry["tag"])) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{journal} is not a migration journal: {error!r}") from error
    found: list[Migration] = []
    for version, tag in sorted(listed):
        file = folder / f"{tag}.sql"
        if file.parent != folder or not file.is_file():
            raise ConfigError(f"{journal} names {tag}, but {file} does not exist")
        found.append(make_migration(version, tag, file.read_text(encoding="utf-8")))
    _require_order(found, str(journal))
    return tuple(found)


def make_migration(version: int, name: str, text: str) -> Migration:
    """A migration from its text."""
    is_transactional = not _NO_TRANSACTION.search(_leading_comments(text))
    pieces = [piece.strip() for piece in text.split(BREAKPOINT)]
    return Migration(
        version=version,
        name=name,
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        is_transactional=is_transactional,
        statements=(text,) if is_transactional else tuple(p for p in pieces if p),
    )


def _leading_comments(text: str) -> str:
    match = _LEADING_COMMENTS.match(text)
    return match.group() if match else ""


def _engine_folder() -> Traversable:
    packed = resources.files("hogsend").joinpath("_migrations")
    if packed.is_dir():
        return packed
    return Path(__file__).resolve().parents[2] / "migrations"


def _require_order(found: Sequence[Migration], source: str) -> None:
    versions = [migration.version for migration in found]
    if len(set(versions)) != len(versions):
        raise ConfigError(f"a number occurs twice in {source}")
