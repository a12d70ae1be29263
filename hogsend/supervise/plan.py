"""What one machine needs: which servers are embedded, and the environment everything gets."""

from __future__ import annotations

import math
import os
import shlex
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hogsend.embedded import PostgresServer, Server, ValkeyServer
from hogsend.embedded.data_directory import keep_secret
from hogsend.errors import ConfigError
from hogsend.settings import Settings

# Names of the programs in supervisord.conf.
POSTGRES, VALKEY, MIGRATE, WORKER, API = "postgres", "valkey", "migrate", "worker", "api"
# Tells the migrate program that its database server is ours, and may have to be waited for.
EMBEDDED_DATABASE = "HOGSEND_SUPERVISE_EMBEDDED_DATABASE"
FIRST_RUN = "first-run.json"
_STOP_MARGIN_SECONDS = 5
_NOTHING = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``environ`` is the whole environment of migrate, api and worker; it holds secrets.

    ``servers`` are the embedded ones by program name; ``embedded`` says what was missing and
    what stands in for it, one pair a line of the banner.
    """

    data_dir: Path
    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    servers: Mapping[str, Server] = field(repr=False)
    embedded: tuple[tuple[str, str], ...]
    api_processes: int
    mail: Path | None

    @property
    def programs(self) -> frozenset[str]:
        """The programs of supervisord.conf that this machine runs."""
        return frozenset({*self.servers, MIGRATE, WORKER, API})

    @property
    def url(self) -> str:
        """Where the api answers on this machine."""
        return f"http://localhost:{self.settings.port}"

    @property
    def database_url(self) -> str:
        """The database, embedded or yours."""
        return self.environ.get("DATABASE_URL") or self.settings.database_url


def make_plan(settings: Settings, environ: Mapping[str, str], data_dir: Path) -> Plan:
    """Prepare what is missing below ``data_dir``; the first time this takes about a second.

    Idempotent. Raises ConfigError when a server cannot be prepared here.
    """
    made = dict(environ)
    servers: dict[str, Server] = {}
    embedded: list[tuple[str, str]] = []
    if not settings.is_set("DATABASE_URL"):
        postgres = PostgresServer.prepare(data_dir)
        servers[POSTGRES] = postgres
        made |= {"DATABASE_URL": postgres.dsn, EMBEDDED_DATABASE: "1"}
        embedded.append(("DATABASE_URL", f"PostgreSQL on 127.0.0.1:{postgres.port}"))
    if not settings.is_set("REDIS_URL"):
        valkey = ValkeyServer.prepare(data_dir)
        servers[VALKEY] = valkey
        made["REDIS_URL"] = valkey.url
        embedded.append(("REDIS_URL", f"Valkey on 127.0.0.1:{valkey.port}"))
    if settings.orchestrator == "local":
        made["HOGSEND_ORCHESTRATOR"] = "local"
        if not settings.is_set("HOGSEND_ORCHESTRATOR"):
            embedded.append(("HATCHET_CLIENT_TOKEN", "local orchestrator, inside the worker"))
    if not settings.is_set("BETTER_AUTH_SECRET"):
        made["BETTER_AUTH_SECRET"] = keep_secret(data_dir / "better-auth.secret")
        embedded.append(("BETTER_AUTH_SECRET", "generated, kept in the data directory"))
    mail = _find_mail_directory(settings, data_dir)
    if mail is not None and settings.outbox_dir is None:
        made |= {"EMAIL_PROVIDER": "outbox", "HOGSEND_OUTBOX_DIR": str(mail)}
        embedded.append(("email provider", "outbox: mails become files and go nowhere"))
    api_processes = settings.api_processes or os.cpu_count() or 1
    return Plan(
        data_dir=data_dir,
        settings=settings,
        environ={
            **made,
            **_addresses(settings),
            **_for_supervisord(settings, data_dir, servers, api_processes),
            "HOGSEND_DATA_DIR": str(data_dir),
            "PORT": str(settings.port),
            "PYTHONUNBUFFERED": "1",
        },
        servers=servers,
        embedded=tuple(embedded),
        api_processes=api_processes,
        mail=mail,
    )


def own_command() -> list[str]:
    """How to start this very program again: the archive, or the module."""
    program = os.path.abspath(sys.argv[0])
    if zipfile.is_zipfile(program):
        return [sys.executable, program]
    return [sys.executable, "-m", "hogsend"]


def find_configuration() -> Path:
    """supervisord.conf: packed beside the modes, or at the root of a source tree."""
    modes = Path(__file__).resolve().parents[1] / "modes"
    for place in (modes / "supervisord.conf", modes.parents[1] / "supervisord.conf"):
        if place.is_file():
            return place
    raise ConfigError("supervisord.conf is missing: this installation is incomplete")


def _find_mail_directory(settings: Settings, data_dir: Path) -> Path | None:
    """Where mails are written, None when a provider sends them."""
    if settings.outbox_dir is not None and settings.email_provider in (None, "outbox"):
        return settings.outbox_dir.absolute()
    is_missing = not (settings.resend_api_key or settings.smtp_host or settings.email_provider)
    return data_dir / "mail" if is_missing or settings.email_provider == "outbox" else None


def _addresses(settings: Settings) -> dict[str, str]:
    """Links must lead to the port we really use."""
    here = f"http://localhost:{settings.port}"
    return {
        name: here for name in ("API_PUBLIC_URL", "BETTER_AUTH_URL") if not settings.is_set(name)
    }


def _for_supervisord(
    settings: Settings, data_dir: Path, servers: Mapping[str, Server], api_processes: int
) -> dict[str, str]:
    commands = {name: shlex.join(server.command()) for name, server in servers.items()}
    stop = (
        math.ceil(settings.drain_seconds + settings.shutdown_timeout_seconds) + _STOP_MARGIN_SECONDS
    )
    return {
        "HOGSEND_SUPERVISE_PIDFILE": str(data_dir / "supervisord.pid"),
        "HOGSEND_SUPERVISE_POSTGRES": commands.get(POSTGRES, _NOTHING),
        "HOGSEND_SUPERVISE_VALKEY": commands.get(VALKEY, _NOTHING),
        "HOGSEND_SUPERVISE_SELF": shlex.join(own_command()),
        "HOGSEND_SUPERVISE_API_PROCESSES": str(api_processes),
        "HOGSEND_SUPERVISE_STOP_SECONDS": str(stop),
    }
