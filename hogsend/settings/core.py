"""Settings every installation meets: where things are, who may in, how processes behave."""

# ruff: noqa: RUF009 -- setting() returns a dataclass field, which is made anew for each class
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hogsend.settings import kinds
from hogsend.settings.declare import MODES, SERVERS, setting

Environment = Literal["development", "production", "test"]
LogLevel = Literal["error", "warn", "info", "http", "debug"]
LogFormat = Literal["auto", "json", "console"]

_ENVIRONMENT: kinds.Kind[Environment] = kinds.one_of("development", "production", "test")
_LOG_LEVEL: kinds.Kind[LogLevel] = kinds.one_of("error", "warn", "info", "http", "debug")
_LOG_FORMAT: kinds.Kind[LogFormat] = kinds.one_of("auto", "json", "console")
_DATABASE = "PostgreSQL"
_REDIS = "Redis"
_RUNTIME = "Processes and logs"
_HTTP = "HTTP"
_ACCESS = "Secrets, administrators and keys"
_CONTENT = "Content"


@dataclass(frozen=True, kw_only=True)
class CoreSettings:
    """Not used by itself; Settings inherits the fields."""

    # fmt: off
    database_url: str = setting(
        "DATABASE_URL", kinds.DSN, "", "The database. It holds everything.",
        group=_DATABASE, modes=MODES, required=("api", "worker", "migrate"), secret=True,
    )
    database_pool_max: int = setting(
        "DATABASE_POOL_MAX", kinds.whole(1, 50), 10, "Connections of one process at most.",
        group=_DATABASE, modes=MODES, lenient=True,
    )
    database_wait_seconds: float = setting(
        "HOGSEND_DATABASE_WAIT_SECONDS", kinds.number(0), 30.0,
        "How long a starting process waits for the database to answer and to be migrated.",
        group=_DATABASE, modes=("api", "worker", "migrate", "supervisor"),
    )
    migrate_lock_wait_seconds: float = setting(
        "HOGSEND_MIGRATE_LOCK_WAIT_SECONDS", kinds.number(0), 600.0,
        "How long a migration waits for another one that is running.",
        group=_DATABASE, modes=("migrate", "supervisor"),
    )
    db_prepare: bool = setting(
        "HOGSEND_DB_PREPARE", kinds.TRUTH, True,
        "Keep prepared statements; turn off behind a transaction pooler such as PgBouncer.",
        group=_DATABASE, modes=MODES,
    )
    skip_schema_check: bool = setting(
        "SKIP_SCHEMA_CHECK", kinds.TRUTH, False,
        "Start although the schema is behind. For emergencies.",
        group=_DATABASE,
    )
    client_migrations_folder: Path | None = setting(
        "CLIENT_MIGRATIONS_FOLDER", kinds.PATH, None,
        "Your own migrations, applied after ours. Unset: none.",
        group=_DATABASE, modes=("api", "migrate", "supervisor"),
    )

    redis_url: str = setting(
        "REDIS_URL", kinds.REDIS, "redis://localhost:6379",
        "Rate limits, heartbeats and caches. Never the only copy of anything.",
        group=_REDIS, secret=True, modes=("api", "worker", "supervisor", "cli"),
    )
    redis_prefix: str = setting(
        "HOGSEND_REDIS_PREFIX", kinds.TEXT, "",
        "Put before every key, so that installations can share one Redis.",
        group=_REDIS, modes=("api", "worker", "supervisor", "cli"),
    )
    require_redis: bool = setting(
        "REQUIRE_REDIS", kinds.TRUTH, False, "Refuse to start without `REDIS_URL`.", group=_REDIS
    )

    node_env: Environment = setting(
        "NODE_ENV", _ENVIRONMENT, "development",
        "`production` is strict about secrets; `test` turns rate limits off.",
        group=_RUNTIME, modes=MODES,
    )
    log_level: LogLevel = setting(
        "LOG_LEVEL", _LOG_LEVEL, "info", "`http` adds one line per request.",
        group=_RUNTIME, modes=MODES,
    )
    log_format: LogFormat = setting(
        "LOG_FORMAT", _LOG_FORMAT, "auto", "`auto` is console on a terminal and JSON elsewhere.",
        group=_RUNTIME, modes=MODES,
    )
    service_name: str = setting(
        "SERVICE_NAME", kinds.TEXT, "hogsend", "Field `service` of every log line.",
        group=_RUNTIME, modes=MODES,
    )
    shutdown_timeout_seconds: float = setting(
        "SHUTDOWN_TIMEOUT_SECONDS", kinds.number(0), 25.0,
        "How long a stopping process waits for what is running; then it exits with code 1. "
        "Keep it below the platform's own limit (Kubernetes and ECS: 30 s).",
        group=_RUNTIME,
    )
    drain_seconds: float = setting(
        "HOGSEND_DRAIN_SECONDS", kinds.number(0), 0.0,
        "How long a stopping api goes on serving with `/v1/health/ready` at 503, so that load "
        "balancers notice before its socket closes. `SHUTDOWN_TIMEOUT_SECONDS` comes after it.",
        group=_RUNTIME, modes=("api", "supervisor"),
    )
    metrics_port: int | None = setting(
        "HOGSEND_METRICS_PORT", kinds.PORT, None,
        "Serve Prometheus metrics at `/metrics` on this port, or on the first free one of the "
        "nine after it when several processes share a machine. Unset: not served.",
        group=_RUNTIME,
    )
    otel_exporter_otlp_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", kinds.TEXT, None,
        "Send traces to this collector (OTLP over HTTP), when the OpenTelemetry packages are "
        "installed; their other `OTEL_*` variables count as well. Unset: no traces.",
        group=_RUNTIME,
    )
    data_dir: Path = setting(
        "HOGSEND_DATA_DIR", kinds.PATH, Path("./.hogsend"),
        "Where supervisor mode keeps the databases and secrets it makes.",
        group=_RUNTIME, modes=("supervisor", "cli"),
    )

    port: int = setting(
        "PORT", kinds.PORT, 3002, "Listening port, on all interfaces.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    api_processes: int = setting(
        "HOGSEND_API_PROCESSES", kinds.whole(0, 256), 1,
        "Processes that share the port; 0 is one per core.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    api_threads: int = setting(
        "HOGSEND_API_THREADS", kinds.whole(1, 256), 8, "Request threads of one process.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    body_limit_bytes: int = setting(
        "HOGSEND_BODY_LIMIT_BYTES", kinds.whole(1024), 1024 * 1024,
        "Larger request bodies are answered with 413.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    events_per_minute: int = setting(
        "HOGSEND_EVENTS_PER_MINUTE", kinds.whole(0), 600_000,
        "Events one API key may send in a minute; 0 is no limit.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    browser_events_per_minute: int = setting(
        "HOGSEND_BROWSER_EVENTS_PER_MINUTE", kinds.whole(0), 0,
        "Events one address may send with a publishable key in a minute; 0 is no limit. Behind a "
        "proxy set `TRUSTED_PROXIES` first, or all callers count as one.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    failed_auth_per_minute: int = setting(
        "HOGSEND_FAILED_AUTH_PER_MINUTE", kinds.whole(0), 60,
        "Requests with wrong keys an address may make in a minute; 0 is no limit. Valid API keys "
        "are never blocked.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    trusted_proxies: tuple[str, ...] = setting(
        "TRUSTED_PROXIES", kinds.PROXIES, (),
        "Whose `X-Forwarded-For` is believed. Unset: nobody's.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    api_public_url: str = setting(
        "API_PUBLIC_URL", kinds.URL, "http://localhost:3002",
        "Base of every link in a mail. Set it on the worker too.",
        group=_HTTP, modes=SERVERS,
    )
    ingest_suspended: bool = setting(
        "HOGSEND_INGEST_SUSPENDED", kinds.TRUTH, False,
        "Answer `POST /v1/events` with 429 and store nothing.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    contact_traits: tuple[str, ...] = setting(
        "HOGSEND_CONTACT_TRAITS", kinds.WORDS, (),
        "Contact properties a browser may read about its own person at `/v1/contacts/me`; the name "
        "`email` exposes the address.",
        group=_HTTP, modes=("api", "supervisor"),
    )
    ingest_batch: bool = setting(
        "HOGSEND_INGEST_BATCH", kinds.TRUTH, False,
        "Store events that arrive together in one statement: more events per second, "
        "a little more delay for each. Raises HOGSEND_API_THREADS to 32.",
        group=_HTTP, modes=("api", "supervisor"),
    )

    better_auth_secret: str = setting(
        "BETTER_AUTH_SECRET", kinds.SECRET, "",
        "Signs sessions and every link in a mail. At least 32 characters in production.",
        group=_ACCESS, required=("api", "worker"), secret=True,
        modes=("api", "worker", "supervisor", "cli"),
    )
    better_auth_secret_previous: tuple[str, ...] = setting(
        "BETTER_AUTH_SECRET_PREVIOUS", kinds.WORDS, (),
        "Former secrets, separated by commas: still verified, no longer used to sign.",
        group=_ACCESS, secret=True,
    )
    better_auth_url: str = setting(
        "BETTER_AUTH_URL", kinds.URL, "http://localhost:3002",
        "Where administrators sign in; cookies are `Secure` when it is https.",
        group=_ACCESS,
    )
    better_auth_trusted_origins: tuple[str, ...] = setting(
        "BETTER_AUTH_TRUSTED_ORIGINS", kinds.WORDS, (),
        "Further origins that may sign in; `API_PUBLIC_URL` and `BETTER_AUTH_URL` always may.",
        group=_ACCESS, modes=("api", "supervisor"),
    )
    auth_cookie_prefix: str = setting(
        "AUTH_COOKIE_PREFIX", kinds.TEXT, "hogsend", "First part of the session cookie's name.",
        group=_ACCESS, modes=("api", "supervisor"),
    )
    studio_admin_email: str | None = setting(
        "STUDIO_ADMIN_EMAIL", kinds.EMAIL, None,
        "First administrator, made when there is none yet.",
        group=_ACCESS,
    )
    studio_admin_password: str | None = setting(
        "STUDIO_ADMIN_PASSWORD", kinds.at_least(8), None,
        "Password of that administrator. Unset: generated and shown once.",
        group=_ACCESS, modes=("api", "supervisor"), secret=True,
    )
    bootstrap_api_key: bool = setting(
        "HOGSEND_BOOTSTRAP_API_KEY", kinds.TRUTH, True,
        "Make a first API key when there is none yet, and show it once.",
        group=_ACCESS, modes=("api", "supervisor"),
    )
    admin_api_key: str | None = setting(
        "ADMIN_API_KEY", kinds.TEXT, None, "A fixed bearer key with scope `full-admin`.",
        group=_ACCESS, modes=("api", "supervisor", "cli"), secret=True,
    )

    app: str | None = setting(
        "HOGSEND_APP", kinds.APP, None, "Your content. Unset: the built-in example.",
        group=_CONTENT, modes=("api", "worker", "supervisor", "cli"),
    )
    content_dir: Path = setting(
        "HOGSEND_CONTENT_DIR", kinds.PATH, Path("./app"),
        "Directory of your content; put on the import path.",
        group=_CONTENT, modes=("api", "worker", "supervisor", "cli"),
    )
    enabled_journeys: tuple[str, ...] | None = setting(
        "ENABLED_JOURNEYS", kinds.CHOSEN, None, "Journeys that run here. Unset: all.",
        group=_CONTENT,
    )
    enabled_lists: tuple[str, ...] | None = setting(
        "ENABLED_LISTS", kinds.CHOSEN, None, "Lists that exist here. Unset: all.", group=_CONTENT
    )
    default_revenue_conversion: bool = setting(
        "HOGSEND_DEFAULT_REVENUE_CONVERSION", kinds.TRUTH, True,
        "Record the built-in conversion `revenue`, unless the content defines its own.",
        group=_CONTENT, modes=("api", "worker", "supervisor", "cli"),
    )
