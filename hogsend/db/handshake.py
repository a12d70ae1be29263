"""Opens a socket and signs in; pg8000 does TLS and authentication, then steps aside."""

from __future__ import annotations

import socket
from datetime import timedelta
from struct import error as StructError

from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError as ServerError
from pg8000.exceptions import InterfaceError

from hogsend.db.errors import DatabaseUnavailable, translate
from hogsend.db.options import Address, DatabaseOptions, parse_url

_RECEIVE = 65536
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_UNACKNOWLEDGED_MS = 60_000
# A frozen process must not keep its locks for ever; nobody thinks this long between statements.
_IDLE_IN_TRANSACTION_MS = 120_000


def sign_in(options: DatabaseOptions) -> tuple[socket.socket, bytearray]:
    """A ready connection and the bytes that already arrived after the greeting.

    Raises ConfigError for a bad URL, AccessDenied, or DatabaseUnavailable.
    """
    address = parse_url(options.url)
    opened = _open(address, options.connect_timeout)
    try:
        connection = _connect(address, options, opened)
    except BaseException:
        opened.close()
        raise
    return _take_over(connection)


def _open(address: Address, timeout: timedelta) -> socket.socket:
    seconds = timeout.total_seconds()
    try:
        if address.unix_socket is None:
            opened = socket.create_connection((address.host, address.port), timeout=seconds)
            _tune(opened)
            return opened
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            local.settimeout(seconds)
            local.connect(address.unix_socket)
        except OSError:
            local.close()
            raise
        return local
    except OSError as error:
        where = address.unix_socket or f"{address.host}:{address.port}"
        raise DatabaseUnavailable(
            f"cannot connect to PostgreSQL at {where}: {error}",
            hint="is the server running and DATABASE_URL right?",
        ) from error


def _tune(opened: socket.socket) -> None:
    """Send small messages at once and notice a peer that vanished within a minute."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


def _connect(address: Address, options: DatabaseOptions, opened: socket.socket) -> CoreConnection:
    try:
        return CoreConnection(
            address.user,
            host=address.host,
            database=address.database,
            password=address.password,
            ssl_context=address.ssl,
            application_name=address.application_name or options.application_name,
            startup_params=_startup(address, options),
            sock=opened,
        )
    except ServerError as error:
        fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        if _POOLER in fields.get("M", ""):
            raise DatabaseUnavailable(
                f"cannot sign in to PostgreSQL: {fields['M']}",
                hint="a pooler stands in between: set HOGSEND_DB_PREPARE=false for one in "
                "transaction mode (see docs/scaling.md)",
            ) from error
        raise translate(fields) from error
    except (KeyError, IndexError, StructError, UnicodeDecodeError) as error:
        raise DatabaseUnavailable(
            "cannot sign in: whoever answers there does not speak PostgreSQL's protocol",
            hint="is DATABASE_URL right?",
        ) from error
    except (InterfaceError, OSError) as error:
        raise DatabaseUnavailable(f"cannot sign in to PostgreSQL: {error}") from error


# PgBouncer says so to every setting that it does not track.
_POOLER = "unsupported startup parameter"


def _startup(address: Address, options: DatabaseOptions) -> dict[str, str]:
    params = {"client_encoding": "UTF8", "DateStyle": "ISO", "TimeZone": "UTC"}
    if address.server_options:
        params["options"] = address.server_options
    if options.prepare:  # a transaction pooler refuses settings it does not track
        params["jit"] = "off"
        if "search_path" not in (address.server_options or ""):
            # The default begins with "$user": for a role named hogsend that is the schema of our
            # functions, and tables would be created there.
            params["search_path"] = "public"
        params["idle_in_transaction_session_timeout"] = str(_IDLE_IN_TRANSACTION_MS)
        if options.statement_timeout is not None:
            params["statement_timeout"] = str(int(options.statement_timeout.total_seconds() * 1000))
    return params


def _take_over(connection: CoreConnection) -> tuple[socket.socket, bytearray]:
    """Detach the socket from pg8000 together with anything its buffer already holds."""
    taken: socket.socket = connection._usock
    buffered = connection._sock
    taken.settimeout(0)
    try:
        rest = bytearray(buffered.peek(_RECEIVE) or b"")
    except OSError:  # TLS: nothing there yet
        rest = bytearray()
    buffered.close()
    return taken, rest
