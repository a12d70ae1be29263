"""Events in the caller's own transaction, relayed to the real api."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pg8000.dbapi
import pytest
import sqlalchemy
from click.testing import CliRunner
from sqlalchemy.orm import Session

from hogsend.access.api_keys import create_api_key
from hogsend.cli.commands.events_relay import relay as relay_command
from hogsend.cli.config import CommandLine
from hogsend.client import Event, Forbidden, Hogsend, Unauthorized
from hogsend.client.outbox import Outbox
from hogsend.client.relay import Connection, Relay, Relayed
from hogsend.client.transport import Options
from hogsend.container.api import ApiContainer
from hogsend.db import Database, Query
from hogsend.db.options import parse_url

pytestmark = pytest.mark.integration

OUTBOX = Outbox()
IMPATIENT = Options(attempts=1, connect_timeout_seconds=1)


def connect(dsn: str) -> Any:
    url = parse_url(dsn)
    return pg8000.dbapi.connect(
        user=url.user,
        password=url.password,
        host=url.host,
        port=url.port,
        database=url.database,
    )


@pytest.fixture
def engine(dsn: str) -> Iterator[sqlalchemy.Engine]:
    """The application's database; the same server will do."""
    made = sqlalchemy.create_engine("postgresql+pg8000://", creator=lambda: connect(dsn))
    with made.begin() as connection:
        for statement in OUTBOX.ddl.split(";"):
            connection.execute(sqlalchemy.text(statement))
        connection.execute(sqlalchemy.text("CREATE TABLE orders (id integer PRIMARY KEY)"))
    yield made
    made.dispose()


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    opened = connect(dsn)
    yield opened
    opened.close()


def events(db: Database) -> list[tuple[Any, ...]]:
    return db.run(
        Query("t", "SELECT event, user_id, idempotency_key FROM user_events ORDER BY received_at")
    )


def rows(engine: sqlalchemy.Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        found = connection.execute(
            sqlalchemy.text(
                "SELECT idempotency_key, parked_at IS NOT NULL, last_error "
                "FROM hogsend_outbox ORDER BY id"
            )
        )
        return [tuple(row) for row in found]


def order(session: Session, number: int) -> None:
    session.execute(sqlalchemy.text("INSERT INTO orders VALUES (:id)"), {"id": number})
    OUTBOX.add_to_session(
        session,
        Event(name="order.paid", user_id="u1", idempotency_key=f"order-{number}"),
    )


def test_event_shares_the_fate_of_its_transaction(
    engine: sqlalchemy.Engine, connection: Connection, client: Hogsend, container: ApiContainer
) -> None:
    with Session(engine) as session:
        order(session, 1)
        session.commit()
        order(session, 2)
        session.rollback()
        assert events(container.db) == []

        done = Relay(connection, client, OUTBOX).relay_once()

    assert done == Relayed(sent=1)
    assert events(container.db) == [("order.paid", "u1", "api:order-1")]
    assert rows(engine) == []


def test_cursor_of_any_driver_writes_too(
    engine: sqlalchemy.Engine,
    dsn: str,
    connection: Connection,
    client: Hogsend,
    container: ApiContainer,
) -> None:
    application = connect(dsn)
    key = OUTBOX.add_with_cursor(application.cursor(), Event(name="100% é", user_id="u1"))
    application.commit()
    application.close()

    Relay(connection, client, OUTBOX).relay_once()

    assert events(container.db) == [("100% é", "u1", f"api:{key}")]


def test_relay_that_died_before_deleting_sends_again_without_effect(
    engine: sqlalchemy.Engine, connection: Connection, client: Hogsend, container: ApiContainer
) -> None:
    class Dies(Exception):
        pass

    class DyingRelay(Relay):
        def _settle(self, rows: Any, items: Any) -> Relayed:
            raise Dies

    with Session(engine) as session:
        order(session, 1)
        session.commit()
    with pytest.raises(Dies):
        DyingRelay(connection, client, OUTBOX).relay_once()
    assert len(events(container.db)) == 1

    done = Relay(connection, client, OUTBOX).relay_once()

    assert done.sent == 1
    assert len(events(container.db)) == 1
    assert rows(engine) == []


def test_one_bad_event_is_parked_and_holds_nobody_up(
    engine: sqlalchemy.Engine, connection: Connection, client: Hogsend, container: ApiContainer
) -> None:
    with Session(engine) as session:
        OUTBOX.add_to_session(session, Event(name="x" * 300, user_id="u1", idempotency_key="bad"))
        order(session, 1)
        session.commit()

    done = Relay(connection, client, OUTBOX).relay_once()

    assert (done.sent, done.parked) == (1, 1)
    assert rows(engine) == [("bad", True, "Invalid event")]
    assert Relay(connection, client, OUTBOX).relay_once() == Relayed()


def test_request_too_large_is_halved_until_it_fits(
    engine: sqlalchemy.Engine, connection: Connection, client: Hogsend, container: ApiContainer
) -> None:
    big = "x" * 400_000  # the api takes a megabyte
    with Session(engine) as session:
        for number in range(5):
            OUTBOX.add_to_session(
                session, Event(name=f"e{number}", user_id="u1", properties={"text": big})
            )
        OUTBOX.add_to_session(
            session,
            Event(name="huge", user_id="u1", idempotency_key="huge", properties={"t": big * 3}),
        )
        session.commit()
    relay = Relay(connection, client, OUTBOX)

    rounds = [relay.relay_once() for _ in range(8)]

    assert sum(done.sent for done in rounds) == 5
    assert sum(done.parked for done in rounds) == 1
    assert [event[0] for event in events(container.db)] == [f"e{n}" for n in range(5)]
    assert [row[0] for row in rows(engine)] == ["huge"]


def test_server_that_is_away_loses_nothing(
    engine: sqlalchemy.Engine, connection: Connection, client: Hogsend, container: ApiContainer
) -> None:
    with Session(engine) as session:
        order(session, 1)
        session.commit()
    with Hogsend("http://127.0.0.1:9", "hsk_x", options=IMPATIENT) as lost:
        relay = Relay(connection, lost, OUTBOX)
        waits: list[float] = []

        def wait(seconds: float) -> bool:
            waits.append(seconds)
            return len(waits) == 4

        relay.run(wait=wait)

    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert [row[:2] for row in rows(engine)] == [("order-1", False)]
    assert Relay(connection, client, OUTBOX).relay_once().sent == 1


def test_wrong_key_stops_the_relay_and_parks_nothing(
    engine: sqlalchemy.Engine, connection: Connection, base_url: str, container: ApiContainer
) -> None:
    with Session(engine) as session:
        order(session, 1)
        session.commit()
    _, reader = create_api_key(container.db, name="r", scopes=["read"])

    for key, error in (("hsk_wrong", Unauthorized), (reader, Forbidden)):
        with Hogsend(base_url, key) as stranger, pytest.raises(error):
            Relay(connection, stranger, OUTBOX).relay_once()

    assert rows(engine) == [("order-1", False, None)]


def test_second_relay_stands_by_until_the_first_is_gone(
    engine: sqlalchemy.Engine, dsn: str, client: Hogsend
) -> None:
    one, two = connect(dsn), connect(dsn)
    first, second = Relay(one, client, OUTBOX), Relay(two, client, OUTBOX)
    assert first.relay_once() == Relayed()

    standing_by = second.relay_once()
    one.close()
    for _ in range(100):
        if not (taken := second.relay_once()).is_standby:
            break
    two.close()

    assert standing_by.is_standby
    assert not taken.is_standby


def test_command_creates_the_table_and_sends_what_is_there(
    dsn: str, base_url: str, container: ApiContainer, tmp_path: Path
) -> None:
    _, key = create_api_key(container.db, name="k", scopes=["ingest"])
    arguments = ["--database-url", dsn, "--url", base_url, "--api-key", key, "--once"]

    def run(*more: str) -> Any:
        return CliRunner().invoke(
            relay_command, [*arguments, *more], obj=CommandLine(environ={}, directory=tmp_path)
        )

    empty = run("--create-table")
    application = connect(dsn)
    OUTBOX.add_with_cursor(application.cursor(), Event(name="a", user_id="u1"))
    application.commit()
    application.close()
    full = run()
    nonsense = run("--table", "a; drop table b")

    assert (empty.exit_code, empty.output) == (0, "sent 0, parked 0\n")
    assert (full.exit_code, full.output) == (0, "sent 1, parked 0\n")
    assert nonsense.exit_code == 1
    assert len(events(container.db)) == 1
