"""``hogsend demo``: one real event, followed until its mail is there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import urllib3

from hogsend.access.api_keys import create_api_key, revoke_api_key
from hogsend.cli.demo_instance import Target, find_running, temporary
from hogsend.cli.lazy import Command
from hogsend.db import Database, DatabaseOptions, QueryFile
from hogsend.embedded.data_directory import locate
from hogsend.errors import HogsendError
from hogsend.kernel.ids import uuid7

_Q = QueryFile("hogsend.cli.commands", "demo.sql")
_EVENT = "user.signed_up"
_JOURNEY = "welcome"
_POLL_SECONDS = 0.05
_DEFAULT_DATA_DIR = Path("./.hogsend")
_ENDED = ("completed", "failed", "exited")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One send of the demo's enrollment."""

    id: UUID
    template: str
    status: str
    reason: str | None
    provider: str
    message_id: str | None
    sender: str
    to: str
    subject: str


@click.command(cls=Command)
@click.option("--url", help="A running API; needs --database-url.")
@click.option("--database-url", envvar="DATABASE_URL", help="The database behind --url.")
@click.option("--api-key", envvar="HOGSEND_API_KEY", help="Default: a key for the demo's minutes.")
@click.option(
    "--data-dir",
    envvar="HOGSEND_DATA_DIR",
    type=click.Path(path_type=Path),
    default=_DEFAULT_DATA_DIR,
    help="Where a running supervisor keeps its data.",
)
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def command(
    url: str | None,
    database_url: str | None,
    api_key: str | None,
    data_dir: Path,
    timeout: float,
    as_json: bool,
) -> None:
    """Send a real event and follow the journey until its mails are out.

    Uses the instance of --url, else the supervisor running on --data-dir, else starts one of
    its own in a temporary directory. Exits 0 only if every mail arrived.
    """
    say = _silent if as_json else click.echo
    with _target(url, database_url, data_dir, say=say) as target:
        database = Database(DatabaseOptions(url=target.database_url, pool_size=2))
        try:
            with _key(database, api_key) as key:
                outcome = _play(target, database, key, timeout=timeout, say=say)
        finally:
            database.close()
    if as_json:
        click.echo(json.dumps(outcome, indent=2))
    if not outcome["arrived"]:
        raise SystemExit(1)


@contextmanager
def _target(
    url: str | None, database_url: str | None, data_dir: Path, *, say: Callable[[str], object]
) -> Iterator[Target]:
    if url is not None:
        if database_url is None:
            raise click.UsageError("--url needs --database-url (or DATABASE_URL)")
        yield Target(url=url.rstrip("/"), database_url=database_url, mail=None)
        return
    running = find_running(locate(data_dir, is_chosen=data_dir != _DEFAULT_DATA_DIR))
    if running is not None:
        say(f"using the instance at {running.url}")
        yield running
        return
    say("no instance is running here: starting one for the demo")
    with temporary() as started:
        yield started


@contextmanager
def _key(database: Database, given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    row, secret = create_api_key(database, name="demo", scopes=["ingest"], created_by="demo")
    try:
        yield secret
    finally:
        revoke_api_key(database, row.id)


def _play(
    target: Target,
    database: Database,
    key: str,
    *,
    timeout: float,
    say: Callable[[str], object],
) -> dict[str, Any]:
    user = f"demo-{uuid7().hex[-12:]}"
    started = time.monotonic()

    def line(text: str) -> None:
        say(f"{time.monotonic() - started:6.2f} s  {text}")

    _send(target.url, key, user)
    line(f"event    {_EVENT} for {user} accepted")
    state, mails = _follow(database, user, deadline=started + timeout, line=line)
    arrived = state == "completed" and bool(mails) and all(m.status == "sent" for m in mails)
    for mail in mails:
        say(_show(mail, target.mail))
    line("arrived" if arrived else f"not arrived: the enrollment is {state or 'missing'}")
    return {
        "arrived": arrived,
        "userId": user,
        "status": state,
        "seconds": round(time.monotonic() - started, 3),
        "mails": [
            {
                "id": str(m.id),
                "template": m.template,
                "status": m.status,
                "reason": m.reason,
                "subject": m.subject,
                "messageId": m.message_id,
            }
            for m in mails
        ],
    }


def _send(url: str, key: str, user: str) -> None:
    body = {
        "name": _EVENT,
        "userId": user,
        "email": f"{user}@example.com",
        "contactProperties": {"name": "Ada"},
        "eventProperties": {"demo": True},
        "idempotencyKey": user,
    }
    try:
        answer = urllib3.PoolManager(retries=False, timeout=10).request(
            "POST", f"{url}/v1/events", json=body, headers={"Authorization": f"Bearer {key}"}
        )
    except urllib3.exceptions.HTTPError as error:
        raise HogsendError(
            f"the API at {url} does not answer: {error}", hint="is it running?"
        ) from error
    if answer.status != 202:
        raise HogsendError(
            f"the API answered {answer.status}: {answer.data.decode(errors='replace')}",
            hint="check --api-key" if answer.status in (401, 403) else None,
        )


def _follow(
    database: Database, user: str, *, deadline: float, line: Callable[[str], object]
) -> tuple[str | None, list[Mail]]:
    seen: Mapping[str, object] = {}
    state: str | None = None
    mails: list[Mail] = []
    while time.monotonic() < deadline:
        rows = database.run(_Q["read_progress"], user_id=user, journey_id=_JOURNEY)
        if rows:
            state_id, state, node, label, due_in, error = rows[0]
            found = _mails(database, state_id)
            for mail in found[len(mails) :]:
                line(f"send     {mail.template}: {mail.status} ({mail.provider})")
            mails = found
            now = {"state": state, "node": node, "label": label}
            if now != seen:
                seen = now
                line(_progress(state, node, label, due_in, error))
            if state in _ENDED:
                return state, mails
        time.sleep(_POLL_SECONDS)
    return state, mails


def _progress(
    state: str, node: str, label: str | None, due_in: float | None, error: str | None
) -> str:
    if label is not None and due_in is not None:
        return f"wait     {label}, due in {max(0.0, due_in):.1f} s (a row, no running process)"
    if error:
        return f"state    {state} at {node}: {error.splitlines()[-1]}"
    return f"state    {state} at {node}"


def _mails(database: Database, state_id: UUID) -> list[Mail]:
    return [
        Mail(
            id=row[0],
            template=row[1],
            status=row[2],
            reason=row[3],
            provider=row[4],
            message_id=row[5],
            sender=row[6],
            to=row[7],
            subject=row[8],
        )
        for row in database.run(_Q["list_sends"], state_id=state_id)
    ]


def _show(mail: Mail, directory: Path | None) -> str:
    path = None if directory is None else directory / f"{mail.id}.eml"
    if path is not None and path.exists():
        text = path.read_text("utf-8", errors="replace")
        return f"\n----- {path}\n{text.strip()}\n-----\n"
    return (
        f"\nFrom: {mail.sender}\nTo: {mail.to}\nSubject: {mail.subject}\n"
        f"({mail.status} by {mail.provider}, message {mail.message_id})\n"
    )


def _silent(text: str) -> None:
    """Say nothing: the JSON object is the output."""
