"""Migrate mode: brings the database to the schema this build needs, then the author's track.

Exit codes: 0 when everything is applied (or was), 1 on any failure, 2 for wrong arguments.
``--status`` exits 1 when something is pending or contradicts the database.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TextIO

from hogsend import settings as environment
from hogsend.db import DatabaseOptions, home
from hogsend.db.migration_files import Migration, Track, load_client_track, load_engine_track
from hogsend.db.migration_ledger import Plan
from hogsend.db.migrator import Migrator, Patience, connect, connect_exclusively, migrate
from hogsend.errors import HogsendError
from hogsend.kernel.ids import uuid7
from hogsend.settings import Settings

FAILED: Mapping[Track, str] = {
    "engine": "Migration failed:",
    "client": "Client migration failed:",
}
_APPLICATION = "hogsend-migrate"


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Apply, look (``--status``, ``--dry-run``) or note (``--stamp``); returns the exit code."""
    parser = build_parser()
    try:
        chosen = parser.parse_args(argv)
        if chosen.stamp is not None and not chosen.yes:
            parser.error("--stamp runs nothing and believes you: repeat it with --yes")
    except SystemExit as end:
        return 0 if end.code in (0, None) else 2
    try:
        return _run(chosen, environment.load(environ, mode="migrate"))
    except HogsendError as error:
        track: Track = "client" if error.context.get("track") == "client" else "engine"
        sys.stderr.write(f"{FAILED[track]} {error}\n")
        if chosen.json:
            _write_json({"ok": False, "track": track, "code": error.code, "error": error.message})
        return 1


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hogsend migrate",
        description="Apply the engine's migrations, then those of CLIENT_MIGRATIONS_FOLDER.",
    )
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--status", action="store_true", help="show both tracks; exit 1 if behind")
    actions.add_argument("--dry-run", action="store_true", help="show the SQL that would run")
    actions.add_argument(
        "--stamp", type=int, metavar="N", help="note migrations up to N as applied, run nothing"
    )
    parser.add_argument(
        "--track", choices=("engine", "client"), default="engine", help="the track to stamp"
    )
    parser.add_argument("--yes", action="store_true", help="confirm --stamp")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    return parser


def _run(chosen: argparse.Namespace, settings: Settings) -> int:
    options = DatabaseOptions(
        url=settings.database_url, application_name=_APPLICATION, statement_timeout=None
    )
    patience = Patience(
        database=timedelta(seconds=settings.database_wait_seconds),
        lock=timedelta(seconds=settings.migrate_lock_wait_seconds),
    )
    # With --json standard output belongs to the object.
    say = partial(_write_line, sys.stderr if chosen.json else sys.stdout)
    if chosen.status or chosen.dry_run:
        with connect(options, patience=patience, say=say) as session:
            migrator = Migrator(session, say=say)
            plans = [migrator.plan(track, _files(track, settings)) for track in FAILED]
        return _show_status(plans, chosen) if chosen.status else _show_sql(plans, chosen)
    if chosen.stamp is not None:
        with connect_exclusively(options, patience=patience, say=say) as migrator:
            names = migrator.stamp(chosen.track, _files(chosen.track, settings), chosen.stamp)
        say(f"[{chosen.track}] Noted as applied: {', '.join(names)}")
        return _finish(chosen, {"ok": True, "stamped": names})
    applied = migrate(
        options, client_folder=settings.client_migrations_folder, patience=patience, say=say
    )
    with connect(options, patience=patience, say=say) as session:
        reason = home.settle(session, options, new_id=uuid7())
    if reason is not None:
        say(f"This database is a copy ({reason}): workers send nothing from it before")
        say("`hogsend restore confirm`")
    return _finish(chosen, {"ok": True, "applied": applied})


def _files(track: Track, settings: Settings) -> tuple[Migration, ...]:
    if track == "engine":
        return load_engine_track()
    return load_client_track(settings.client_migrations_folder)


def _show_status(plans: Sequence[Plan], chosen: argparse.Namespace) -> int:
    is_in_sync = all(plan.is_in_sync for plan in plans)
    if chosen.json:
        _write_json({"ok": is_in_sync, **{plan.track: _describe(plan) for plan in plans}})
    else:
        for plan in plans:
            _tell(plan)
    return 0 if is_in_sync else 1


def _show_sql(plans: Sequence[Plan], chosen: argparse.Namespace) -> int:
    has_problems = any(plan.problems for plan in plans)
    if chosen.json:
        _write_json({"ok": not has_problems, **{plan.track: _describe(plan) for plan in plans}})
        return 1 if has_problems else 0
    for plan in plans:
        _tell(plan)
        for migration in plan.pending:
            mode = "" if migration.is_transactional else " (no transaction)"
            _write_line(sys.stdout, f"\n-- {plan.track} {migration.name}{mode}")
            _write_line(sys.stdout, "\n".join(migration.statements).strip())
    return 1 if has_problems else 0


def _tell(plan: Plan) -> None:
    say = partial(_write_line, sys.stdout)
    say(f"[{plan.track}] applied {plan.applied or '(none)'}, required {plan.required or '(none)'}")
    for migration in plan.pending:
        say(f"[{plan.track}] pending {migration.name}")
    for name in plan.ahead:
        say(f"[{plan.track}] ahead of this build: {name}")
    for problem in plan.problems:
        say(f"[{plan.track}] problem: {problem}")


def _describe(plan: Plan) -> dict[str, object]:
    return {
        "applied": plan.applied,
        "required": plan.required,
        "inSync": plan.is_in_sync,
        "pending": [migration.name for migration in plan.pending],
        "ahead": list(plan.ahead),
        "problems": list(plan.problems),
    }


def _finish(chosen: argparse.Namespace, answer: Mapping[str, object]) -> int:
    if chosen.json:
        _write_json(answer)
    return 0


def _write_json(answer: Mapping[str, object]) -> None:
    _write_line(sys.stdout, json.dumps(answer))


def _write_line(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()
