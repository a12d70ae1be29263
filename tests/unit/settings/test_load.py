from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from hogsend import settings
from hogsend.errors import ConfigError
from hogsend.settings import Mode, Settings, settings_of
from hogsend.settings.declare import attribute_of


def make_token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJFUzI1NiJ9.{body}.c2lnbmF0dXJl"


REQUIRED = {
    "DATABASE_URL": "postgresql://app:pw@db.example.com:5432/app",
    "BETTER_AUTH_SECRET": "s" * 32,
    "HATCHET_CLIENT_TOKEN": make_token(sub="tenant"),
}


def load(mode: Mode = "api", /, **environ: str) -> Settings:
    return settings.load({**REQUIRED, **environ}, mode=mode)


def problems(mode: Mode = "api", /, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(mode, **environ)
    found = caught.value.context["problems"]
    assert isinstance(found, tuple)
    return found


def test_load_with_the_required_variables_gives_the_defaults() -> None:
    loaded = load()

    assert loaded.port == 3002
    assert loaded.orchestrator == "hatchet"
    assert loaded.email_from == "noreply@hogsend.com"
    assert loaded.enabled_journeys is None
    assert loaded.hatchet_client_host_port is None


@pytest.mark.parametrize("declared", list(settings_of(Settings)), ids=lambda d: d.name)
def test_attribute_is_the_variable_without_our_prefix(declared: settings.Setting) -> None:
    assert declared.attribute == attribute_of(declared.name)


@pytest.mark.parametrize("mode", ["api", "worker"])
def test_load_without_anything_names_every_missing_variable_at_once(mode: Mode) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load({"PORT": "many", "LOG_LEVEL": "loud"}, mode=mode)

    text = str(caught.value)
    assert text.startswith("Invalid environment variables")
    for name in (*REQUIRED, "LOG_LEVEL"):
        assert f"{name}: " in text
    assert ("PORT: " in text) == (mode == "api")


def test_load_for_migrate_needs_only_the_database() -> None:
    loaded = settings.load(
        {"DATABASE_URL": REQUIRED["DATABASE_URL"], "EMAIL_FROM": "nonsense"}, mode="migrate"
    )

    assert loaded.database_url == REQUIRED["DATABASE_URL"]


@pytest.mark.parametrize("mode", ["worker", "supervisor"])
def test_local_orchestrator_behind_a_transaction_pooler_is_refused(mode: Mode) -> None:
    environ = {"HATCHET_CLIENT_TOKEN": "", "HOGSEND_ORCHESTRATOR": "local"}

    assert len(problems(mode, HOGSEND_DB_PREPARE="false", **environ)) == 1
    assert load("api", HOGSEND_DB_PREPARE="false", **environ).orchestrator == "local"
    assert load(mode, **environ).db_prepare


@pytest.mark.parametrize("mode", ["supervisor", "cli"])
def test_load_for_supervisor_and_cli_needs_nothing(mode: Mode) -> None:
    assert settings.load({}, mode=mode).database_url == ""


def test_load_with_local_orchestrator_needs_no_token() -> None:
    loaded = load("worker", HATCHET_CLIENT_TOKEN="", HOGSEND_ORCHESTRATOR="local")

    assert loaded.hatchet_client_token is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "local"),
        ({"HATCHET_CLIENT_TOKEN": make_token(sub="t")}, "hatchet"),
        (
            {"HATCHET_CLIENT_TOKEN": make_token(sub="t"), "HOGSEND_ORCHESTRATOR": "local"},
            "local",
        ),
    ],
)
def test_supervisor_orchestrator_follows_the_token(environ: dict[str, str], expected: str) -> None:
    assert settings.load(environ, mode="supervisor").orchestrator == expected


def test_supervisor_told_to_use_hatchet_without_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="HATCHET_CLIENT_TOKEN: is required by supervisor"):
        settings.load({"HOGSEND_ORCHESTRATOR": "hatchet"}, mode="supervisor")


def test_empty_value_counts_as_unset() -> None:
    loaded = load(PORT="", EMAIL_FROM="", RESEND_API_KEY="")

    assert (loaded.port, loaded.resend_api_key) == (3002, None)
    assert not loaded.is_set("PORT")


def test_blank_value_is_not_unset() -> None:
    assert problems(PORT="  ") == ("PORT: is invalid; it must be a whole number from 0 to 65535",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("1", True),
        ("Yes", True),
        ("on", True),
        ("false", False),
        ("0", False),
        ("no", False),
        ("OFF", False),
    ],
)
def test_truth_accepts_the_usual_words(text: str, expected: bool) -> None:
    assert load(SKIP_SCHEMA_CHECK=text).skip_schema_check is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("3e3", 3000), ("0x10", 16), (" 5 ", 5), ("80", 80)]
)
def test_numbers_accept_what_the_reference_accepts(text: str, expected: int) -> None:
    assert load(PORT=text).port == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("*", None), ("", None), ("a, b,,", ("a", "b")), (" ", ()), (",", ())],
)
def test_enabled_filter_distinguishes_all_some_and_none(
    text: str, expected: tuple[str, ...] | None
) -> None:
    assert load(ENABLED_JOURNEYS=text).enabled_journeys == expected


def test_url_loses_its_trailing_slash() -> None:
    assert load(API_PUBLIC_URL="https://x.example.com/").api_public_url == "https://x.example.com"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "mysql://h/db"),
        ("DATABASE_URL", "postgresql://h:port/db"),
        ("DATABASE_URL", "postgresql://h"),
        ("REDIS_URL", "localhost:6379"),
        ("NODE_ENV", "staging"),
        ("LOG_LEVEL", "trace"),
        ("LOG_FORMAT", "xml"),
        ("PORT", "1.5"),
        ("PORT", "65536"),
        ("PORT", "inf"),
        ("PORT", "nan"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "-1"),
        ("SKIP_SCHEMA_CHECK", "maybe"),
        ("API_PUBLIC_URL", "example.com"),
        ("STUDIO_ADMIN_EMAIL", "nobody"),
        ("STUDIO_ADMIN_PASSWORD", "short"),
        ("EMAIL_FROM", "Ada <ada>"),
        ("EMAIL_FROM", "Ada <ada@example.com>\nBcc: x@y.zz"),
        ("TRUSTED_PROXIES", "everybody"),
        ("TRUSTED_PROXIES", "1,10.0.0.0/8"),
        ("HOGSEND_APP", "journeys"),
        ("HOGSEND_ORCHESTRATOR", "celery"),
        ("HATCHET_CLIENT_HOST_PORT", "engine"),
        ("HATCHET_CLIENT_HOST_PORT", "https://engine:7077"),
        ("BUCKET_RECONCILE_CRON", "every day"),
        ("BUCKET_RECONCILE_CRON", "* * * *"),
        ("OUTBOUND_WEBHOOK_MAX_ATTEMPTS", "0"),
    ],
)
def test_invalid_value_is_one_problem_that_names_the_variable_and_the_remedy(
    name: str, text: str
) -> None:
    (problem,) = problems("api", **{name: text})

    assert problem.startswith(f"{name}: is invalid; it must be ")


def test_invalid_secret_is_not_echoed() -> None:
    (problem,) = problems(DATABASE_URL="mysql://me:topsecret@h/db")

    assert "topsecret" not in problem


def test_database_pool_out_of_range_is_ignored_with_a_warning() -> None:
    loaded = load(DATABASE_POOL_MAX="500")

    assert loaded.database_pool_max == 10
    assert any("DATABASE_POOL_MAX is ignored" in line for line in loaded.warnings())


def test_alias_is_used_when_the_variable_is_unset() -> None:
    assert load(RESEND_FROM_EMAIL="a@b.io").email_from == "a@b.io"
    assert load(RESEND_FROM_EMAIL="a@b.io", EMAIL_FROM="c@d.io").email_from == "c@d.io"
    assert load(STUDIO_ADMIN_EMAIL="a@b.io").test_email == "a@b.io"


def test_sending_domain_falls_back_to_the_sender() -> None:
    assert load(EMAIL_FROM="Ada <a@Mail.io>").sending_domain == "mail.io"
    assert load(EMAIL_FROM="a@b.io", EMAIL_DOMAIN="c.io").sending_domain == "c.io"


def test_secret_is_read_from_the_file_that_file_variable_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x" * 40 + "\n")

    loaded = load(BETTER_AUTH_SECRET="", BETTER_AUTH_SECRET_FILE=str(tmp_path / "secret"))

    assert loaded.better_auth_secret == "x" * 40
    assert loaded.is_set("BETTER_AUTH_SECRET")


def test_secret_file_that_is_missing_or_empty_or_doubled_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    missing = str(tmp_path / "missing")

    assert problems(BETTER_AUTH_SECRET="", BETTER_AUTH_SECRET_FILE=missing)[0].startswith(
        "BETTER_AUTH_SECRET: BETTER_AUTH_SECRET_FILE cannot be read (No such file"
    )
    assert "empty file" in problems(ADMIN_API_KEY_FILE=str(tmp_path / "empty"))[0]
    assert "is set twice" in problems(BETTER_AUTH_SECRET_FILE=missing)[0]


def test_file_variable_of_an_open_setting_is_unknown_and_ignored() -> None:
    assert load(PORT_FILE="/nonexistent").port == 3002


@pytest.mark.parametrize("token", ["abc", "a.b.c", make_token(aud="x"), make_token(sub="")])
def test_hatchet_token_of_the_wrong_shape_is_refused_without_echo(token: str) -> None:
    (problem,) = problems("worker", HATCHET_CLIENT_TOKEN=token)

    assert problem.startswith("HATCHET_CLIENT_TOKEN: is not a Hatchet API token")
    assert token not in problem


def test_mutual_tls_names_every_missing_file(tmp_path: Path) -> None:
    found = problems(
        HATCHET_CLIENT_TLS_STRATEGY="mtls", HATCHET_CLIENT_TLS_KEY_FILE=str(tmp_path / "key.pem")
    )

    assert [problem.split(":")[0] for problem in found] == [
        "HATCHET_CLIENT_TLS_CERT_FILE",
        "HATCHET_CLIENT_TLS_KEY_FILE",
        "HATCHET_CLIENT_TLS_ROOT_CA_FILE",
    ]


def test_short_secret_is_refused_in_production_only() -> None:
    assert load(BETTER_AUTH_SECRET="short").better_auth_secret == "short"
    assert problems(BETTER_AUTH_SECRET="short", NODE_ENV="production")[0].startswith(
        "BETTER_AUTH_SECRET: is too short"
    )


def test_require_redis_refuses_to_use_the_default() -> None:
    assert problems(REQUIRE_REDIS="true")[0].startswith("REDIS_URL: is required by REQUIRE_REDIS")
    assert load(REQUIRE_REDIS="true", REDIS_URL="redis://r:6379").require_redis


def test_half_of_an_smtp_login_is_refused() -> None:
    assert problems(SMTP_USER="me")[0].startswith("SMTP_PASSWORD: ")
    assert problems(SMTP_PASSWORD="pw")[0].startswith("SMTP_USER: ")


def test_unknown_variables_are_ignored() -> None:
    assert load(HOGSEND_NO_SUCH_THING="1").port == 3002


def test_repr_shows_no_secret() -> None:
    secrets = {d.name: f"hidden-{d.name}" for d in settings_of(Settings) if d.is_secret}
    secrets |= REQUIRED | {"REDIS_URL": "redis://:hidden-redis@r:6379", "SMTP_USER": "me"}
    loaded = load("api", **secrets)

    shown = repr(loaded)

    assert "hidden-" not in shown
    assert REQUIRED["HATCHET_CLIENT_TOKEN"] not in shown
    assert "pw@" not in shown
    assert loaded.resend_api_key == "hidden-RESEND_API_KEY"


def test_warnings_of_a_sound_production_environment_are_empty() -> None:
    loaded = load(
        NODE_ENV="production",
        REDIS_URL="redis://r:6379",
        API_PUBLIC_URL="https://hogsend.example.com",
        RESEND_API_KEY="re_x",
        EMAIL_FROM="a@example.com",
    )

    assert loaded.warnings() == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "no email provider is configured"),
        ({"RESEND_API_KEY": "re_x"}, "EMAIL_FROM is not set"),
        ({"HOGSEND_TEST_MODE": "true"}, "HOGSEND_TEST_MODE=true without HOGSEND_TEST_EMAIL"),
        ({"NODE_ENV": "production"}, "REDIS_URL is not set in production"),
        ({"NODE_ENV": "production"}, "API_PUBLIC_URL is local in production"),
        ({"TWILIO_ACCOUNT_SID": "AC1"}, "without effect in this version: TWILIO_ACCOUNT_SID"),
        (
            {
                "NODE_ENV": "production",
                "HATCHET_CLIENT_TLS_STRATEGY": "none",
                "HATCHET_CLIENT_HOST_PORT": "engine.example.com:7077",
            },
            "sends the token in the clear",
        ),
    ],
)
def test_warnings_name_what_deserves_a_look(environ: dict[str, str], expected: str) -> None:
    assert any(expected in line for line in load("worker", **environ).warnings())
