"""Where the database is and how connections to it behave."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

from hogsend.errors import ConfigError

_HINT = "expected postgresql://user:password@host:5432/database?sslmode=…"
_DEFAULT_PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """How to connect, and how many connections to keep.

    ``prepare=False`` is for transaction poolers: unnamed statements, no session settings.
    ``statement_timeout`` None means none. ``max_lifetime`` bounds a pooled connection's age.
    """

    url: str = field(repr=False)
    pool_size: int = 10
    acquire_timeout: timedelta = timedelta(seconds=5)
    connect_timeout: timedelta = timedelta(seconds=5)
    statement_timeout: timedelta | None = timedelta(seconds=30)
    prepare: bool = True
    application_name: str = "hogsend"
    max_lifetime: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed database URL; ``unix_socket`` is the socket's path when it is not TCP.

    ``ssl`` is what pg8000 takes: False no TLS, None TLS if offered, True TLS without
    verification, or a context that verifies. ``server_options`` is libpq's ``options``.
    """

    user: str
    password: str | None = field(repr=False)
    host: str
    port: int
    database: str
    unix_socket: str | None
    ssl: bool | ssl.SSLContext | None
    application_name: str | None
    server_options: str | None


def parse_url(url: str) -> Address:
    """Parse ``postgresql://`` or ``postgres://``; raises ConfigError without showing the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise _wrong("is not a URL") from error
    if parts.scheme not in ("postgresql", "postgres"):
        raise _wrong("does not start with postgresql://")
    query = dict(parse_qsl(parts.query))
    host = query.get("host") or unquote(parts.hostname or "localhost")
    if "port" in query:
        port = _parse_port(query["port"])
    user = unquote(parts.username or query.get("user", ""))
    if not user:
        raise _wrong("names no user")
    is_unix = host.startswith("/")
    return Address(
        user=user,
        password=unquote(parts.password) if parts.password is not None else query.get("password"),
        host=host,
        port=port,
        database=unquote(parts.path.lstrip("/")) or query.get("dbname") or user,
        unix_socket=f"{host}/.s.PGSQL.{port}" if is_unix else None,
        ssl=False if is_unix else _choose_ssl(query.get("sslmode", "prefer"), query),
        application_name=query.get("application_name"),
        server_options=query.get("options"),
    )


def _choose_ssl(mode: str, query: dict[str, str]) -> bool | ssl.SSLContext | None:
    match mode:
        case "disable":
            return False
        case "allow" | "prefer":
            return None
        case "require" | "no-verify":
            return True
        case "verify-ca" | "verify-full":
            return _verifying_context(query.get("sslrootcert"), names=mode == "verify-full")
    raise _wrong(f"has an unknown sslmode {mode!r}")


def _verifying_context(root: str | None, *, names: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if root in (None, "system") else root)
    except OSError as error:
        raise _wrong(f"names an sslrootcert that cannot be read: {root}") from error
    context.check_hostname = names
    return context


def _parse_port(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _wrong(f"has a bad port {text!r}") from error


def _wrong(problem: str) -> ConfigError:
    return ConfigError(f"the database URL {problem}", code="invalid_database_url", hint=_HINT)
