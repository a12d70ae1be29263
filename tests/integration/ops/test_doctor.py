"""What doctor says about each neighbour that is not as it should be, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # ships no types
import pytest
import redis

from hogsend.db import Database, Query
from hogsend.kernel.clock import SystemClock, VirtualClock
from hogsend.kv import Kv, heartbeat
from hogsend.ops.checks.finding import Finding
from hogsend.ops.doctor import examine
from tests.fakes.certificates import make_certificate
from tests.fakes.hatchet_engine import make_token

pytestmark = pytest.mark.integration

_SECRET = "doctor-secret-of-more-than-thirty-two-characters"


class _Engine(grpc.GenericRpcHandler):  # type: ignore[misc]  # untyped base
    """Answers GetVersion to one token."""

    def __init__(self, token: str, version: str) -> None:
        self._token, self._version = token, version

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Only the one method."""
        if details.method != "/Dispatcher/GetVersion":
            return None
        sent = dict(details.invocation_metadata).get("authorization")

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if sent != f"bearer {self._token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid auth token")
            return b"\x0a" + bytes([len(self._version)]) + self._version.encode()

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=bytes, response_serializer=bytes
        )


@contextmanager
def _engine(
    *, version: str = "v0.94.16", credentials: grpc.ServerCredentials | None = None
) -> Iterator[dict[str, str]]:
    """A listening engine and the environment of its clients."""
    token = make_token("engine.invalid:443", "https://engine.invalid")
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Engine(token, version)])
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield {
            "HATCHET_CLIENT_TOKEN": token,
            "HATCHET_CLIENT_HOST_PORT": f"127.0.0.1:{port}",
            "HATCHET_CLIENT_TLS_STRATEGY": "none" if credentials is None else "tls",
        }
    finally:
        server.stop(grace=0).wait()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[grpc.ServerCredentials, Path]:
    """Credentials of a server named ``engine.test`` and the file that vouches for it."""
    made = make_certificate(tmp_path_factory.mktemp("tls"), "engine.test")
    return grpc.ssl_server_credentials([(made.private_key, made.pem)]), made.ca_file


@pytest.fixture
def environ(dsn: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """A sound environment on the local engine."""
    return {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_url,
        "BETTER_AUTH_SECRET": _SECRET,
        "HOGSEND_ORCHESTRATOR": "local",
        "EMAIL_FROM": "Team <team@example.com>",
        "SMTP_HOST": "mail.example.com",
    }


def _findings(environ: Mapping[str, str], subject: str) -> list[Finding]:
    found = examine(environ, mode="api", clock=SystemClock())
    return [f for f in found if f.subject == subject and f.verdict != "ok"]


def _only(environ: Mapping[str, str], subject: str) -> tuple[str, str, str]:
    found = _findings(environ, subject)
    assert len(found) == 1, found
    return found[0].verdict, found[0].message, found[0].fix or ""


def test_everything_sound_is_ok(environ: dict[str, str], redis_url: str) -> None:
    kv = Kv(redis_url, prefix="")
    heartbeat.write(kv, instance="a:1", now=SystemClock().now())
    kv.close()

    found = examine(environ, mode="api", clock=SystemClock())

    assert [f for f in found if f.verdict == "problem"] == []
    assert {f.subject for f in found} >= {"environment", "postgres", "schema", "redis", "engine"}


def test_postgres_gone_names_the_variable(environ: dict[str, str]) -> None:
    environ["DATABASE_URL"] = "postgresql://hogsend:x@127.0.0.1:1/hogsend"

    verdict, _, fix = _only(environ, "postgres")

    assert verdict == "problem"
    assert fix


def test_schema_behind_says_to_migrate(environ: dict[str, str], empty_dsn: str) -> None:
    environ["DATABASE_URL"] = empty_dsn

    verdict, message, fix = _only(environ, "schema")

    assert verdict == "problem"
    assert "0001_create_outbox" in message
    assert "hogsend migrate" in fix


def test_clock_that_differs_from_the_database_is_told(environ: dict[str, str]) -> None:
    clock = VirtualClock()  # stands in the past

    found = examine(environ, mode="api", clock=clock)

    skew = next(f for f in found if f.subject == "clock")
    assert skew.verdict == "warning"
    assert "NTP" in (skew.fix or "")


def test_redis_gone_is_a_warning_with_the_variable(environ: dict[str, str]) -> None:
    environ["REDIS_URL"] = "redis://127.0.0.1:1/0"

    verdict, _, fix = _only(environ, "redis")

    assert verdict == "warning"
    assert "REDIS_URL" in fix


def test_redis_that_evicts_is_told(environ: dict[str, str], redis_url: str) -> None:
    server = redis.Redis.from_url(redis_url)
    try:
        server.config_set("maxmemory", "100mb")
        server.config_set("maxmemory-policy", "allkeys-lru")
        verdict, message, fix = _only(environ, "redis")
    finally:
        server.config_set("maxmemory-policy", "noeviction")
        server.config_set("maxmemory", "0")
        server.close()

    assert verdict == "warning"
    assert "allkeys-lru" in message
    assert "noeviction" in fix


def test_worker_of_another_version_is_told(environ: dict[str, str], redis_url: str) -> None:
    kv = Kv(redis_url, prefix="")
    heartbeat.write(kv, instance="a:1", now=SystemClock().now(), version="0.0.9")
    kv.close()

    _, message, fix = _only(environ, "workers")

    assert "0.0.9" in message
    assert "upgrade" in fix


def test_engine_that_answers_is_ok_with_its_version(environ: dict[str, str]) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine() as engine:
        found = examine(environ | engine, mode="api", clock=SystemClock())

    messages = [f.message for f in found if f.subject == "engine" and f.verdict == "ok"]
    assert any("Hatchet v0.94.16 answers" in message for message in messages)


def test_engine_too_old_says_to_upgrade(environ: dict[str, str]) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine(version="v0.70.0") as engine:
        verdict, message, fix = _only(environ | engine, "engine")

    assert (verdict, "too old" in message, "upgrade" in fix) == ("problem", True, True)


def test_token_of_another_tenant_says_to_make_a_new_one(environ: dict[str, str]) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine() as engine:
        other = make_token("other.invalid:443", "https://other.invalid")
        _, message, fix = _only(environ | engine | {"HATCHET_CLIENT_TOKEN": other}, "engine")

    assert "refuses the token" in message
    assert "create a new one" in fix


def test_tls_to_a_plaintext_engine_names_the_strategy(environ: dict[str, str]) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine() as engine:
        _, message, fix = _only(environ | engine | {"HATCHET_CLIENT_TLS_STRATEGY": "tls"}, "engine")

    assert "speaks no TLS" in message
    assert "HATCHET_CLIENT_TLS_STRATEGY=none" in fix


def test_plaintext_to_a_tls_engine_names_the_strategy(
    environ: dict[str, str], certificate: tuple[grpc.ServerCredentials, Path]
) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine(credentials=certificate[0]) as engine:
        changed = environ | engine | {"HATCHET_CLIENT_TLS_STRATEGY": "none"}
        _, message, fix = _only(changed, "engine")

    assert "wants TLS" in message
    assert "HATCHET_CLIENT_TLS_STRATEGY=tls" in fix


def test_certificate_nobody_vouches_for_names_the_file(
    environ: dict[str, str], certificate: tuple[grpc.ServerCredentials, Path]
) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine(credentials=certificate[0]) as engine:
        _, message, fix = _only(environ | engine, "engine")

    assert "not trusted" in message
    assert "HATCHET_CLIENT_TLS_ROOT_CA_FILE" in fix


def test_certificate_with_its_authority_and_name_is_trusted(
    environ: dict[str, str], certificate: tuple[grpc.ServerCredentials, Path]
) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    trust = {
        "HATCHET_CLIENT_TLS_ROOT_CA_FILE": str(certificate[1]),
        "HATCHET_CLIENT_TLS_SERVER_NAME": "engine.test",
    }
    with _engine(credentials=certificate[0]) as engine:
        assert _findings(environ | engine | trust, "engine") == []


def test_engine_gone_names_the_address(environ: dict[str, str]) -> None:
    environ.pop("HOGSEND_ORCHESTRATOR")
    with _engine() as engine:
        gone = dict(engine)

    _, message, fix = _only(environ | gone, "engine")

    assert gone["HATCHET_CLIENT_HOST_PORT"] in message
    assert "HATCHET_CLIENT_HOST_PORT" in fix


def test_broken_variable_is_told_and_ends_the_examination(environ: dict[str, str]) -> None:
    found = examine(environ | {"PORT": "high"}, mode="api", clock=SystemClock())

    assert [f.subject for f in found if f.verdict == "problem"] == ["environment"]
    assert "PORT" in found[0].message


def test_no_way_out_for_mail_is_a_problem(environ: dict[str, str]) -> None:
    environ.pop("SMTP_HOST")

    verdict, _, fix = _only(environ, "mail")

    assert verdict == "problem"
    assert "RESEND_API_KEY" in fix


def test_role_that_may_not_migrate_is_told(environ: dict[str, str], database: Database) -> None:
    database.run(Query.parse("role", "DROP ROLE IF EXISTS hogsend_guest"))
    database.run(Query.parse("role", "CREATE ROLE hogsend_guest LOGIN PASSWORD 'guest'"))
    url = environ["DATABASE_URL"]
    credentials = url.split("//")[1].split("@")[0]
    try:
        environ["DATABASE_URL"] = url.replace(credentials, "hogsend_guest:guest")
        found = _findings(environ, "postgres")
    finally:
        database.run(Query.parse("role", "DROP ROLE hogsend_guest"))

    assert any("GRANT CREATE" in (f.fix or "") for f in found), found
