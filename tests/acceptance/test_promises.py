"""What was promised to whoever brings their own orchestrator, one test a promise.

Where a promise takes long to prove, the test that proves it is named and must be there; beside it
stands a short check of the same thing.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from hogsend import settings as environment
from hogsend.access.admins import create_admin
from hogsend.access.bootstrap import ensure_first_admin
from hogsend.access.sessions import Sessions
from hogsend.access.store import has_admins
from hogsend.cli.config import CommandLine
from hogsend.cli.main import cli
from hogsend.container.api import build_api
from hogsend.container.worker import build_worker
from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.migration_files import load_engine_track
from hogsend.db.schema_version import SchemaStatus, TrackStatus, probe
from hogsend.email.providers.registry import select_provider
from hogsend.email.wiring import read_mailer_options, read_provider_options
from hogsend.entry import MODES
from hogsend.errors import ConfigError
from hogsend.events.models import NewEvent
from hogsend.kernel.clock import SystemClock
from hogsend.modes import migrate
from hogsend.net.client import HttpClient
from hogsend.ops.boot_guard import check_schema
from hogsend.settings import Mode, Settings
from hogsend.settings.declare import settings_of
from tests.acceptance.promises import ROOT, proven_by

DEPLOY, DOCS = ROOT / "deploy", ROOT / "docs"


def make_token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJFUzI1NiJ9.{body}.c2lnbmF0dXJl"


REQUIRED = {
    "DATABASE_URL": "postgresql://app:pw@127.0.0.1:1/app",
    "BETTER_AUTH_SECRET": "s" * 32,
    "HATCHET_CLIENT_TOKEN": make_token(
        sub="tenant", server_url="https://engine.test", grpc_broadcast_address="engine.test:7077"
    ),
}


def load(mode: Mode = "api", /, **environ: str) -> Settings:
    return environment.load({**REQUIRED, **environ}, mode=mode)


def problems(environ: dict[str, str], mode: Mode) -> str:
    with pytest.raises(ConfigError) as caught:
        environment.load(environ, mode=mode)
    return str(caught.value)


def read_yaml(path: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / path).read_text("utf-8")))


def paths_served() -> set[str]:
    container = build_api(load(HOGSEND_ORCHESTRATOR="local"))
    try:
        return {f"{route.method} {route.path}" for route in container.routes}
    finally:
        container.close()


def test_s01_runs_on_any_platform_and_calls_none() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "hogsend").rglob("*.py"))

    assert re.findall(r"\b(?:KUBERNETES_|ECS_|NOMAD_|RAILWAY_|FLY_|RENDER_)\w+", sources) == []
    assert {p.name for p in DEPLOY.iterdir() if p.is_dir()} >= {"kubernetes", "nomad", "ecs"}
    proven_by(
        "packaging/test_start.py", "test_extracted_archive_runs_as_anybody_and_writes_nothing"
    )


def test_s02_one_artefact_three_modes_one_environment() -> None:
    assert {"api", "worker", "migrate"} <= set(MODES)
    for mode in ("api", "worker", "migrate"):
        assert load(mode).database_url == REQUIRED["DATABASE_URL"]
    proven_by("packaging/test_start.py", "test_mode_answers_help")


def test_s03_drops_into_containers_and_bare_machines() -> None:
    pages = {page.stem for page in (DOCS / "deploy").glob("*.md")}

    assert pages >= {"kubernetes", "nomad", "ecs", "compose", "systemd", "supervisor", "image"}
    proven_by("deploy/test_systemd.py", "test_units_are_valid")


def test_s04_no_platform_is_needed() -> None:
    names = {setting.name for setting in settings_of(Settings)}

    assert not any(word in name for name in names for word in ("RAILWAY", "FLY_", "RENDER_"))
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert "railway" not in dockerfile.lower()


def test_s05_api_and_worker_provide_nothing_themselves() -> None:
    for mode in ("api", "worker"):
        text = problems({}, mode)
        assert all(f"{name}: " in text for name in REQUIRED)


def test_s06_plain_postgresql_is_enough(database: Database) -> None:
    extensions = database.run(Query("extensions", "SELECT extname FROM pg_extension"))

    # The schema is migrated; nothing but the language every database has was needed.
    assert {name for (name,) in extensions} == {"plpgsql"}
    sql = "\n".join(m.read_text("utf-8") for m in (ROOT / "migrations").glob("*.sql"))
    assert "create extension" not in sql.lower()


def test_s07_redis_is_demanded_in_production() -> None:
    production = {"NODE_ENV": "production"}

    assert any("REDIS_URL" in text for text in load(**production).warnings())
    assert not any(
        "REDIS_URL is not set" in text
        for text in load(**production, REDIS_URL="redis://redis:6379").warnings()
    )
    assert "REDIS_URL: " in problems({**REQUIRED, "REQUIRE_REDIS": "true"}, "api")


def test_s08_engine_is_a_token_and_an_address() -> None:
    loaded = load("worker", HATCHET_CLIENT_HOST_PORT="hatchet.internal:7077")

    assert loaded.hatchet_client_host_port == "hatchet.internal:7077"
    assert "HATCHET_CLIENT_TOKEN: " in problems({**REQUIRED, "HATCHET_CLIENT_TOKEN": "no"}, "api")
    proven_by("integration/ops/test_doctor.py", "test_engine_that_answers_is_ok_with_its_version")


def test_s09_image_runs_every_mode_by_its_command() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")

    assert 'ENTRYPOINT ["python", "/usr/local/lib/hogsend.pyz"]' in dockerfile
    assert dockerfile.rstrip().endswith('CMD ["api"]')
    proven_by("packaging/test_image.py", "test_image_runs_as_a_numeric_user_that_is_not_root")


def test_s10_api_is_the_default_on_3002_with_health() -> None:
    assert load().port == 3002
    assert "EXPOSE 3002" in (ROOT / "Dockerfile").read_text("utf-8")
    assert "GET /v1/health" in paths_served()


def test_s11_worker_has_no_port_and_no_health_check() -> None:
    (worker,) = (d for d in read_yaml("kubernetes/base/worker.yaml") if d["kind"] == "Deployment")
    (container,) = worker["spec"]["template"]["spec"]["containers"]

    assert [port["name"] for port in container["ports"]] == ["metrics"]
    assert not any(name.endswith("Probe") for name in container)
    (port,) = (s for s in settings_of(Settings) if s.name == "PORT")
    assert "worker" not in port.modes
    proven_by("packaging/test_image.py", "test_healthcheck_of_a_mode_without_port_is_content")


def test_s12_migrate_ends_and_is_repeatable(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"DATABASE_URL": empty_dsn}

    assert migrate.main([], environ) == 0
    assert "[engine] Migrations complete" in capsys.readouterr().out
    assert migrate.main([], environ) == 0
    assert "already up to date" in capsys.readouterr().out


def test_s13_image_is_built_and_pushed_with_ordinary_commands() -> None:
    page = (DOCS / "deploy" / "image.md").read_text("utf-8")

    assert "docker build -t" in page
    assert "docker push" in page
    proven_by("packaging/test_image.py", "test_dockerfile_copies_what_the_build_needs")
    proven_by("deploy/test_platforms.py", "test_dockerfile_is_clean")


def test_s14_manifests_keep_the_order_of_compose() -> None:
    services = read_yaml("compose/compose.yml")[0]["services"]

    for mode in ("api", "worker"):
        condition = services[mode]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"
    proven_by("deploy/test_platforms.py", "test_nomad_job_runs_migrate_before_api_and_drains")


def test_s15_postgresql_that_never_comes_ends_migrate_with_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {"DATABASE_URL": REQUIRED["DATABASE_URL"], "HOGSEND_DATABASE_WAIT_SECONDS": "0"}

    assert migrate.main([], environ) == 1
    assert "Migration failed:" in capsys.readouterr().err
    proven_by(
        "integration/migrate/test_migrate_command.py",
        "test_migrate_database_is_not_there_yet_waits_for_it",
    )


def test_s16_one_command_runs_both_tracks_engine_first(
    empty_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meta").mkdir()
    entry = {"idx": 0, "version": "7", "when": 1, "tag": "0000_own", "breakpoints": True}
    (tmp_path / "meta" / "_journal.json").write_text(json.dumps({"entries": [entry]}))
    # It refers to a table of ours, so it only works after our track.
    (tmp_path / "0000_own.sql").write_text("CREATE TABLE own (LIKE contacts);")

    code = migrate.main([], {"DATABASE_URL": empty_dsn, "CLIENT_MIGRATIONS_FOLDER": str(tmp_path)})

    out = capsys.readouterr().out
    assert code == 0
    assert out.index("[engine] Migrations complete") < out.index("[client] Applying 1 migration")
    proven_by(
        "integration/migrate/test_migrate_command.py",
        "test_migrate_client_track_fails_engine_stays_and_exit_is_one",
    )


def test_s17_worker_does_no_work_on_an_unmigrated_database(empty_dsn: str) -> None:
    database = Database(DatabaseOptions(url=empty_dsn))
    try:
        assert len(probe(database).engine.pending) == len(load_engine_track())
    finally:
        database.close()
    proven_by(
        "contract/modes/test_worker_mode.py",
        "test_boot_schema_stays_behind_exits_one_after_the_wait",
        "test_boot_migration_comes_while_it_waits_gets_ready",
    )


def test_s18_migrate_fits_jobs_init_containers_and_scripts() -> None:
    (job,) = read_yaml("kubernetes/base/migrate.yaml")

    assert job["kind"] == "Job"
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    proven_by(
        "integration/migrate/test_migrate_command.py",
        "test_migrate_two_at_once_apply_each_file_once",
        "test_migrate_killed_in_the_middle_second_run_succeeds",
    )


def test_s19_api_guards_itself_and_only_by_our_track() -> None:
    proven_by(
        "contract/modes/test_api_mode.py",
        "test_boot_schema_is_behind_exits_one_and_says_what_to_run",
    )
    behind = TrackStatus(applied=None, required="9999_x", in_sync=False, pending=("9999_x",))
    level = TrackStatus(applied="0001_x", required="0001_x", in_sync=True, pending=())

    assert check_schema(lambda: SchemaStatus(engine=behind, client=level), wait_seconds=0)
    assert check_schema(lambda: SchemaStatus(engine=level, client=behind), wait_seconds=0) is None


def test_s20_migrate_takes_the_whole_environment_and_needs_one_variable() -> None:
    everything = {**REQUIRED, "REDIS_URL": "redis://r:6379", "EMAIL_FROM": "a@b.test"}

    assert environment.load(everything, mode="migrate").database_url == REQUIRED["DATABASE_URL"]
    assert environment.load({"DATABASE_URL": REQUIRED["DATABASE_URL"]}, mode="migrate")
    assert [s.name for s in settings_of(Settings) if "migrate" in s.required] == ["DATABASE_URL"]


def test_s21_three_variables_are_required_and_all_are_named_at_once() -> None:
    for mode in ("api", "worker"):
        for name in REQUIRED:
            left = {key: value for key, value in REQUIRED.items() if key != name}
            assert f"{name}: " in problems(left, mode)


def test_s22_engine_address_and_transport_are_two_variables() -> None:
    loaded = load("worker", HATCHET_CLIENT_HOST_PORT="h:7077", HATCHET_CLIENT_TLS_STRATEGY="none")

    assert loaded.hatchet_client_host_port == "h:7077"
    assert loaded.hatchet_client_tls_strategy == "none"
    assert load("worker").hatchet_client_host_port is None


def test_s23_mail_provider_is_a_choice_and_none_still_boots() -> None:
    def chosen(**environ: str) -> str:
        return select_provider(read_provider_options(load(**environ)), http=HttpClient()).name

    assert chosen() == "unconfigured"
    assert chosen(RESEND_API_KEY="re_key") == "resend"
    assert chosen(EMAIL_PROVIDER="postmark", POSTMARK_SERVER_TOKEN="token") == "postmark"
    assert "POST /v1/webhooks/email/{provider}" in paths_served()


def test_s24_sender_is_a_variable() -> None:
    assert load(RESEND_FROM_EMAIL="old@shop.test").email_from == "old@shop.test"
    both = load(RESEND_FROM_EMAIL="old@shop.test", EMAIL_FROM="Shop <new@shop.test>")
    assert both.email_from == "Shop <new@shop.test>"
    options = read_mailer_options(both, provider="resend")
    assert "new@shop.test" in str(options)


def test_s25_first_admin_by_variable_or_by_command_and_nobody_signs_up(
    dsn: str, database: Database, tmp_path: Path
) -> None:
    assert not has_admins(database)
    line = CommandLine(environ={"DATABASE_URL": dsn}, directory=tmp_path)

    done = CliRunner().invoke(
        cli,
        ["studio", "admin", "create", "--email", "a@b.test", "--password", "long enough"],
        obj=line,
    )
    ensure_first_admin(database, email="other@b.test", password="long enough")

    assert done.exit_code == 0, done.output
    admins = database.run(Query("admins", 'SELECT email FROM "user"'))
    assert admins == [("a@b.test",)]
    proven_by("contract/access/test_auth_api.py", "test_sign_up_is_closed_to_everybody")


def test_s26_production_is_named_and_its_omissions_are_told() -> None:
    told = " ".join(load(NODE_ENV="production").warnings())

    for name in ("REDIS_URL", "API_PUBLIC_URL"):
        assert name in told
    short = {**REQUIRED, "NODE_ENV": "production", "BETTER_AUTH_SECRET": "short"}
    assert "BETTER_AUTH_SECRET: " in problems(short, "api")
    assert load(BETTER_AUTH_SECRET="short")


def test_s27_transport_to_the_engine_is_tls_unless_told_otherwise() -> None:
    assert load("worker").hatchet_client_tls_strategy == "tls"
    mutual = problems({**REQUIRED, "HATCHET_CLIENT_TLS_STRATEGY": "mtls"}, "worker")
    assert "HATCHET_CLIENT_TLS_CERT_FILE: " in mutual
    proven_by(
        "integration/ops/test_doctor.py",
        "test_certificate_with_its_authority_and_name_is_trusted",
        "test_certificate_nobody_vouches_for_names_the_file",
    )


def test_s28_health_fails_a_probe_only_while_a_track_is_behind() -> None:
    assert {"GET /v1/health", "GET /v1/health/live", "GET /v1/health/ready"} <= paths_served()
    proven_by(
        "contract/modes/test_api_mode.py",
        "test_health_healthy_body_has_exactly_the_documented_keys",
        "test_health_track_falls_behind_under_a_running_api_is_503_with_the_same_body",
        "test_health_database_goes_away_is_degraded_in_time_and_comes_back",
    )


def test_s29_api_keeps_nothing_and_scales_out(dsn: str) -> None:
    one, other = (Database(DatabaseOptions(url=dsn, pool_size=1)) for _ in range(2))
    try:
        admin = create_admin(one, email="a@b.test", password="long enough")
        _, token = Sessions(one, clock=SystemClock()).open(admin, ip=None, agent=None)
        session = Sessions(other, clock=SystemClock()).find(token)
    finally:
        one.close()
        other.close()
    assert session is not None
    assert session.admin == admin
    (deployment,) = (d for d in read_yaml("kubernetes/base/api.yaml") if d["kind"] == "Deployment")

    assert deployment["spec"]["replicas"] == 2
    assert "volumeClaimTemplates" not in deployment["spec"]
    proven_by("contract/access/test_auth_api.py", "test_session_token_is_stored_as_a_hash_only")
    proven_by(
        "contract/modes/test_durability.py",
        "test_one_of_two_processes_is_killed_under_load_the_other_answers_and_it_is_replaced",
    )


def test_s30_worker_that_cannot_work_exits_to_be_restarted() -> None:
    unit = (DEPLOY / "systemd" / "hogsend-worker@.service").read_text("utf-8")

    assert "Restart=always" in unit
    assert read_yaml("compose/compose.yml")[0]["services"]["worker"]["restart"] == "unless-stopped"
    assert load("worker").engine_lost_seconds == 300
    proven_by("contract/orchestrator/test_orchestrator_failures.py", "test_engine_wiped_ends_serve")
    proven_by("unit/modes/test_watchdog.py", "test_watchdog_thread_died_asks_for_a_drain")


def test_s31_work_is_spread_and_done_once() -> None:
    proven_by(
        "contract/orchestrator/test_orchestrator_failures.py",
        "test_worker_killed_its_run_goes_to_another",
    )
    proven_by(
        "contract/orchestrator/test_orchestrator_runs.py",
        "test_run_delivered_twice_reaches_handler_twice_and_settles",
    )
    proven_by(
        "acceptance/test_crash_matrix.py",
        "test_worker_killed_every_second_sends_each_person_one_mail",
    )
    alerts = (DEPLOY / "alerts.yml").read_text("utf-8")
    assert "hogsend_outbox_oldest_age_seconds" in alerts


def test_s32_worker_drains_when_told_to_stop() -> None:
    assert load("worker").shutdown_timeout_seconds == 25
    for mode in ("api", "worker"):
        task = json.loads((DEPLOY / "ecs" / f"{mode}.json").read_text("utf-8"))
        (container,) = task["containerDefinitions"]
        variables = {pair["name"]: pair["value"] for pair in container["environment"]}
        drain = float(variables.get("HOGSEND_DRAIN_SECONDS", "0"))
        assert container["stopTimeout"] > drain + float(variables["SHUTDOWN_TIMEOUT_SECONDS"])
    proven_by(
        "acceptance/test_journeys_on_every_engine.py",
        "test_worker_told_to_stop_drains_and_answers_zero",
    )
    proven_by(
        "contract/modes/test_worker_mode.py",
        "test_stop_handler_outlasts_the_drain_is_forced_and_exits_one",
    )


def test_s33_one_composition_root_a_namespace_and_a_nullable_tenant(database: Database) -> None:
    rows = database.run(
        Query(
            "tenant_columns",
            "SELECT table_name, is_nullable FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name = 'organization_id'",
        )
    )

    assert dict(rows).keys() >= {
        "contacts",
        "user_events",
        "journey_states",
        "email_sends",
        "groups",
        "group_memberships",
        "api_keys",
    }
    assert {nullable for _, nullable in rows} == {"YES"}
    both = [
        build_worker(load("worker", HATCHET_CLIENT_NAMESPACE=name, HOGSEND_REDIS_PREFIX=name))
        for name in ("blue", "green")
    ]
    try:
        assert [c.settings.hatchet_client_namespace for c in both] == ["blue", "green"]
        assert both[0].db is not both[1].db
    finally:
        for container in both:
            container.close()
    proven_by(
        "architecture/test_imports.py", "test_modules_imported_without_environment_do_nothing"
    )


def test_s34_self_hosting_never_names_a_tenant(dsn: str, database: Database) -> None:
    container = build_api(load(DATABASE_URL=dsn, HOGSEND_ORCHESTRATOR="local"))
    try:
        container.parts.ingest.ingest(NewEvent(name="a", external_id="u1", groups={"team": "t1"}))
    finally:
        container.close()

    for table in ("contacts", "user_events", "groups", "group_memberships"):
        rows = database.run(Query(table, f"SELECT organization_id FROM {table}"))
        assert rows == [(None,)], table
    names = {setting.name for setting in settings_of(Settings)}
    assert not any("ORGANIZATION" in name or "TENANT" in name for name in names)


def test_s35_two_services_of_one_repository_on_a_hosted_platform() -> None:
    api = (DEPLOY / "paas" / "railway.toml").read_text("utf-8")
    worker = (DEPLOY / "paas" / "railway.worker.toml").read_text("utf-8")

    assert 'dockerfilePath = "Dockerfile"' in api
    assert 'dockerfilePath = "Dockerfile"' in worker
    assert 'healthcheckPath = "/v1/health"' in api
    assert "healthcheckPath" not in worker
    proven_by("deploy/test_platforms.py", "test_railway_file_runs_our_modes")


def test_s36_fresh_domain_to_signed_mail_without_a_mailbox_provider() -> None:
    help_text = CliRunner().invoke(cli, ["domain", "--help"]).output
    assert all(command in help_text for command in ("add", "check", "status"))
    page = (DOCS / "deployment.md").read_text("utf-8")
    for step in ("domain add", "domain check", "EMAIL_FROM", "events send"):
        assert step in page
    proven_by("unit/domains/test_check.py", "test_check_good_domain_has_nothing_to_do")
    proven_by("integration/domains/test_watch.py", "test_watch_verified_domain_ends_test_mode")


def test_s37_there_is_a_way_to_a_token() -> None:
    page = (DOCS / "deployment.md").read_text("utf-8")

    assert "### A Hatchet token" in page
    assert "/hatchet-admin token create" in (DOCS / "deploy" / "compose.md").read_text("utf-8")
    expired = make_token(sub="tenant", exp=1)
    assert load("worker", HATCHET_CLIENT_TOKEN=expired)
    proven_by(
        "integration/ops/test_doctor.py",
        "test_token_of_another_tenant_says_to_make_a_new_one",
    )


def test_every_promise_has_its_test() -> None:
    tested = {name[5:8] for name in globals() if re.match(r"test_s\d\d_", name)}

    assert tested == {f"s{number:02}" for number in range(1, 38)}
