"""What was applied: the table ``hogsend.migrations``, and what that means for a set of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hogsend.db.database import Executor
from hogsend.db.errors import UndefinedTable
from hogsend.db.migration_files import Migration, Track
from hogsend.db.queries import QueryFile

_Q = QueryFile(__package__, "migrations.sql")

# ``steps`` and a missing ``applied_at`` are the memory of a file that runs outside a transaction.
CREATE_LEDGER = """
CREATE SCHEMA IF NOT EXISTS hogsend;
CREATE TABLE IF NOT EXISTS hogsend.migrations (
  track text NOT NULL CHECK (track IN ('engine', 'client')),
  version integer NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  steps integer NOT NULL DEFAULT 0,
  applied_at timestamptz,
  duration_ms integer NOT NULL DEFAULT 0,
  PRIMARY KEY (track, version));
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One ledger row; ``is_done`` is False for a file that stopped half-way after ``steps``."""

    version: int
    name: str
    checksum: str
    steps: int
    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Files against ledger.

    ``applied`` is the name of the newest applied migration, ``required`` of the newest file.
    ``ahead`` names ledger rows newer than every file: a newer build was here, which is fine.
    ``problems`` are sentences; with any of them nothing may be applied.
    """

    track: Track
    applied: str | None
    required: str | None
    pending: tuple[Migration, ...]
    resume_at: int
    ahead: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def is_in_sync(self) -> bool:
        """True when there is nothing to apply and nothing to repair."""
        return not self.pending and not self.problems


def read_entries(db: Executor) -> dict[Track, dict[int, Entry]]:
    """Both tracks by version; empty when the ledger does not exist yet."""
    entries: dict[Track, dict[int, Entry]] = {"engine": {}, "client": {}}
    try:
        rows = db.run(_Q["list_entries"])
    except UndefinedTable:
        return entries
    for track, version, name, checksum, steps, is_done in rows:
        entries[track][version] = Entry(
            version=version, name=name, checksum=checksum, steps=steps, is_done=is_done
        )
    return entries


def record(db: Executor, track: Track, migration: Migration, *, duration_ms: int) -> None:
    """Note a migration as applied; repeating it changes nothing."""
    db.run(
        _Q["record_applied"],
        track=track,
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        steps=len(migration.statements),
        duration_ms=duration_ms,
    )


def record_step(db: Executor, track: Track, migration: Migration, steps: int) -> None:
    """Note how many statements of a file without transaction are done."""
    db.run(
        _Q["record_step"],
        track=track,
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        steps=steps,
    )


def find_invalid_index(db: Executor, name: str) -> bool:
    """True when a concurrent build of this index failed and left a broken one."""
    return bool(db.run(_Q["find_invalid_index"], name=name))


def find_foreign_ledger(db: Executor, track: Track) -> bool:
    """True when another migration tool has applied this track here (rows in its ledger)."""
    table = "__drizzle_migrations" if track == "engine" else "__client_migrations"
    return bool(db.run(_Q["find_foreign_ledger"], name=table))


def make_plan(track: Track, files: Sequence[Migration], entries: dict[int, Entry]) -> Plan:
    """Compare by number and checksum, never by count."""
    done = [entry for entry in entries.values() if entry.is_done]
    newest_file = max((file.version for file in files), default=-1)
    newest_done = max((entry.version for entry in done), default=-1)
    pending = tuple(f for f in files if f.version not in entries or not entries[f.version].is_done)
    ahead = tuple(e.name for e in _sorted(done) if e.version > newest_file)
    return Plan(
        track=track,
        applied=max(done, key=lambda entry: entry.version).name if done else None,
        required=files[-1].name if files else None,
        pending=pending,
        resume_at=entries[pending[0].version].steps
        if pending and pending[0].version in entries
        else 0,
        ahead=ahead,
        problems=(
            *_find_edited(files, entries),
            *_find_missing(files, entries, newest_file),
            *(
                f"{file.name} is older than {newest_done:04d}, which is applied already: "
                "give it a number after the newest one"
                for file in pending
                if file.version < newest_done
            ),
        ),
    )


def _find_edited(files: Sequence[Migration], entries: dict[int, Entry]) -> list[str]:
    problems = []
    for file in files:
        entry = entries.get(file.version)
        if entry is None or (entry.name == file.name and entry.checksum == file.checksum):
            continue
        if entry.name != file.name:
            problems.append(f"{file.version:04d} was applied as {entry.name}, not as {file.name}")
        else:
            problems.append(
                f"{file.name} was edited after it was applied "
                f"(sha256 {entry.checksum[:12]} then, {file.checksum[:12]} now)"
            )
    return problems


def _find_missing(
    files: Sequence[Migration], entries: dict[int, Entry], newest_file: int
) -> list[str]:
    known = {file.version for file in files}
    return [
        f"{entry.name} was applied, but this build does not contain it"
        for entry in _sorted(entries.values())
        if entry.version not in known and entry.version < newest_file
    ]


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.version)
