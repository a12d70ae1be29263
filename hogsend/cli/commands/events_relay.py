"""``hogsend events relay``: sends what an application wrote into its own outbox table."""

from __future__ import annotations

import signal
import threading

import click
import structlog

from hogsend.cli.config import CommandLine, data_key_option, pass_line, url_option
from hogsend.cli.lazy import Command
from hogsend.client import Hogsend, HogsendClientError
from hogsend.client.outbox import Outbox
from hogsend.client.relay import Connection, Relay, Relayed
from hogsend.db.options import parse_url
from hogsend.errors import HogsendError, InvalidInput

_RECONNECT_SECONDS = 2.0


@click.command(cls=Command)
@click.option("--database-url", required=True, help="PostgreSQL of the application.")
@click.option("--table", default="hogsend_outbox", show_default=True, help="The outbox table.")
@click.option("--create-table", is_flag=True, help="Create it when it is missing.")
@click.option("--once", is_flag=True, help="Send what is there and end.")
@url_option
@data_key_option
@pass_line
def relay(
    line: CommandLine,
    *,
    database_url: str,
    table: str,
    create_table: bool,
    once: bool,
    url: str | None,
    api_key: str | None,
) -> None:
    """Send events from the outbox table of an application, each exactly once in effect."""
    try:
        outbox = Outbox(table)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    stopping = threading.Event()
    with Hogsend(line.base_url(url), line.data_key(api_key)) as client:
        if once:
            _drain(database_url, outbox, client, create_table=create_table)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():
            _serve(database_url, outbox, client, stopping, create_table=create_table)


def _drain(database_url: str, outbox: Outbox, client: Hogsend, *, create_table: bool) -> None:
    connection = _connect(database_url, outbox, create_table=create_table)
    sent = parked = 0
    try:
        worker = Relay(connection, client, outbox)
        while True:
            done = worker.relay_once()
            sent, parked = sent + done.sent, parked + done.parked
            if done.error is not None:
                raise HogsendError(str(done.error), code="api_refused")
            if done.is_standby:
                raise HogsendError("another relay is at work", code="relay_busy")
            if not done.sent + done.parked:
                break
    except HogsendClientError as error:
        raise HogsendError(error.message, code=error.code or "api_refused") from error
    finally:
        connection.close()
    click.echo(f"sent {sent}, parked {parked}")


def _serve(
    database_url: str,
    outbox: Outbox,
    client: Hogsend,
    stopping: threading.Event,
    *,
    create_table: bool,
) -> None:
    import pg8000.exceptions

    log = structlog.get_logger()
    try:
        connection = _connect(database_url, outbox, create_table=create_table)
        try:
            Relay(connection, client, outbox).run(wait=stopping.wait, on_round=_report)
        finally:
            connection.close()
    except (pg8000.exceptions.Error, OSError) as error:
        log.warning("relay.database_lost", error=str(error))
        stopping.wait(_RECONNECT_SECONDS)
    except HogsendClientError as error:
        raise HogsendError(error.message, code=error.code or "api_refused") from error


def _report(done: Relayed) -> None:
    log = structlog.get_logger()
    if done.error is not None:
        log.warning("relay.waiting", error=str(done.error))
    elif done.sent or done.parked:
        log.info("relay.sent", sent=done.sent, parked=done.parked)


def _connect(database_url: str, outbox: Outbox, *, create_table: bool) -> Connection:
    import pg8000.dbapi

    address = parse_url(database_url)
    connection: Connection = pg8000.dbapi.connect(
        user=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.database,
        unix_sock=address.unix_socket,
        ssl_context=address.ssl,
        application_name="hogsend relay",
    )
    if create_table:
        cursor = connection.cursor()
        for statement in outbox.ddl.split(";"):
            cursor.execute(statement)
        connection.commit()
    return connection
