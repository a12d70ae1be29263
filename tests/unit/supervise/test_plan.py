"""What is embedded follows from what the environment lacks."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from hogsend.settings import load
from hogsend.supervise import plan as planning
from hogsend.supervise.banner import FirstRun, render, take_first_run
from hogsend.supervise.plan import Plan, make_plan, own_command

_SERVERS = {
    "DATABASE_URL": "postgresql://u:p@db.test/hogsend",
    "REDIS_URL": "redis://redis.test:6379",
}


def _plan(directory: Path, **environ: str) -> Plan:
    given = {**_SERVERS, **environ}
    return make_plan(load(given, mode="supervisor"), given, directory)


def test_plan_with_servers_of_your_own_runs_none(tmp_path: Path) -> None:
    plan = _plan(tmp_path)

    assert plan.programs == {"migrate", "worker", "api"}
    assert plan.environ["DATABASE_URL"] == _SERVERS["DATABASE_URL"]
    assert planning.EMBEDDED_DATABASE not in plan.environ


def test_plan_knows_a_database_whose_address_is_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://u:p@elsewhere.test/d\n")
    given = {"DATABASE_URL_FILE": str(file), "REDIS_URL": _SERVERS["REDIS_URL"]}

    plan = make_plan(load(given, mode="supervisor"), given, tmp_path)

    assert plan.database_url == "postgresql://u:p@elsewhere.test/d"
    assert "postgres" not in plan.programs


def test_plan_keeps_its_secret_private_and_the_same(tmp_path: Path) -> None:
    first, second = _plan(tmp_path), _plan(tmp_path)

    secret = first.environ["BETTER_AUTH_SECRET"]
    assert secret == second.environ["BETTER_AUTH_SECRET"]
    assert len(secret) >= 32
    assert stat.S_IMODE((tmp_path / "better-auth.secret").stat().st_mode) == 0o600


def test_plan_without_a_provider_writes_mails_to_the_data_directory(tmp_path: Path) -> None:
    plan = _plan(tmp_path)

    assert plan.environ["EMAIL_PROVIDER"] == "outbox"
    assert plan.environ["HOGSEND_OUTBOX_DIR"] == str(tmp_path / "mail")
    assert plan.mail == tmp_path / "mail"


@pytest.mark.parametrize(
    "environ",
    [{"RESEND_API_KEY": "re_x"}, {"SMTP_HOST": "smtp.test"}, {"EMAIL_PROVIDER": "resend"}],
)
def test_plan_with_a_provider_leaves_it_alone(tmp_path: Path, environ: dict[str, str]) -> None:
    plan = _plan(tmp_path, **environ)

    assert plan.mail is None
    assert "HOGSEND_OUTBOX_DIR" not in plan.environ


def test_plan_with_an_outbox_of_your_own_uses_it(tmp_path: Path) -> None:
    plan = _plan(tmp_path, HOGSEND_OUTBOX_DIR=str(tmp_path / "mine"))

    assert plan.mail == tmp_path / "mine"
    assert plan.environ["HOGSEND_OUTBOX_DIR"] == str(tmp_path / "mine")


def test_plan_without_a_token_runs_the_local_engine(tmp_path: Path) -> None:
    plan = _plan(tmp_path)

    assert plan.environ["HOGSEND_ORCHESTRATOR"] == "local"
    assert any("local orchestrator" in what for _, what in plan.embedded)


def test_plan_points_links_at_the_port_in_use(tmp_path: Path) -> None:
    plan = _plan(tmp_path, PORT="8080", BETTER_AUTH_URL="https://auth.test")

    assert plan.environ["API_PUBLIC_URL"] == "http://localhost:8080"
    assert plan.environ["BETTER_AUTH_URL"] == "https://auth.test"


def test_plan_gives_programs_longer_than_their_own_drain(tmp_path: Path) -> None:
    plan = _plan(tmp_path, SHUTDOWN_TIMEOUT_SECONDS="7.5")

    assert plan.environ["HOGSEND_SUPERVISE_STOP_SECONDS"] == "13"


def test_plan_shows_no_secret_when_it_is_printed(tmp_path: Path) -> None:
    plan = _plan(tmp_path)

    assert plan.environ["BETTER_AUTH_SECRET"] not in repr(plan)
    assert "u:p@" not in repr(plan)


def test_own_command_of_a_module_is_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [os.__file__])

    assert own_command() == [sys.executable, "-m", "hogsend"]


def test_first_run_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / planning.FIRST_RUN).write_text('{"apiKey": "hsk_x"}')

    assert take_first_run(tmp_path) == FirstRun(api_key="hsk_x")
    assert take_first_run(tmp_path) == FirstRun()


def test_banner_shows_secrets_only_when_they_are_new(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    first = FirstRun(admin_email="a@b.test", admin_password="pass-word", api_key="hsk_x")

    shown, later = (render(plan, run, version="1") for run in (first, FirstRun()))

    for secret in ("hsk_x", "pass-word"):
        assert secret in shown
        assert secret not in later
    assert str(tmp_path / "mail") in later
