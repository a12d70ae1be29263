"""Connection URLs and what a connection is opened with."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hogsend.errors import ConfigError

_HINT = "use postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """How to reach PostgreSQL and how much of it to use."""

    url: str
    pool_size: int = 10
    acquire_timeout: timedelta = timedelta(seconds=10)
    connect_timeout: timedelta = timedelta(seconds=5)
    statement_timeout: timedelta = timedelta(seconds=30)
    max_lifetime: timedelta = timedelta(minutes=30)
    prepare: bool = True
    application_name: str = "hogsend"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectArguments:
    """A parsed URL plus the session's settings; ``ssl`` as pg8000 understands it."""

    user: str
    password: str | None
    host: str
    port: int
    database: str
    ssl: bool | ssl.SSLContext | None
    socket_path: str | None
    application_name: str
    startup: Mapping[str, str]
    connect_seconds: float
    answer_seconds: float

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return self.socket_path or f"{self.host}:{self.port}"

    def open_socket(self) -> socket.socket:
        """Connect; TCP with no delay and keep-alives that notice a dead peer in a minute."""
        if self.socket_path is not None:
            unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            unix.settimeout(self.connect_seconds)
            unix.connect(self.socket_path)
            return unix
        sock = socket.create_connection((self.host, self.port), self.connect_seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return sock


def connect_arguments(options: DatabaseOptions) -> ConnectArguments:
    """Read the URL; raises ConfigError that never repeats the password."""
    parts = urlsplit(options.url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ConfigError("DATABASE_URL is not a PostgreSQL URL", hint=_HINT)
    query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    try:
        port = parts.port or 5432
    except ValueError as error:
        raise ConfigError("the port in DATABASE_URL is not a number", hint=_HINT) from error
    host = query.get("host") or unquote(parts.hostname or "localhost")
    user = unquote(parts.username or query.get("user", "postgres"))
    statement = options.statement_timeout.total_seconds()
    return ConnectArguments(
        user=user,
        password=unquote(parts.password) if parts.password else query.get("password"),
        host=host,
        port=port,
        database=unquote(parts.path.lstrip("/")) or user,
        ssl=_ssl(query.get("sslmode", "prefer"), query.get("sslrootcert")),
        socket_path=f"{host}/.s.PGSQL.{port}" if host.startswith("/") else None,
        application_name=query.get("application_name", options.application_name),
        startup={
            "TimeZone": "UTC",
            "DateStyle": "ISO, MDY",
            "client_encoding": "UTF8",
            "statement_timeout": str(int(statement * 1000)),
            "options": "-c jit=off",
        },
        connect_seconds=options.connect_timeout.total_seconds(),
        answer_seconds=statement + 5 if statement else 3600,
    )


def _ssl(mode: str, root: str | None) -> bool | ssl.SSLContext | None:
    if mode in ("disable", "allow"):
        return False
    if mode == "prefer":
        return None  # TLS without verification where the server offers it, as libpq does
    if mode == "require":
        return True
    if mode in ("verify-ca", "verify-full"):
        if root is not None and not Path(root).exists():
            raise ConfigError(f"sslrootcert {root} in DATABASE_URL does not exist")
        context = ssl.create_default_context(cafile=root)
        context.check_hostname = mode == "verify-full"
        return context
    raise ConfigError(
        f"sslmode={mode} in DATABASE_URL is unknown",
        hint="use disable, require, verify-ca or verify-full",
    )
