from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hogsend import settings as settings_module
from hogsend.db import Query
from hogsend.email.wiring import build_mailer, read_mailer_options, read_provider_options
from hogsend.errors import ConfigError
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.settings import Settings

BASE = {"DATABASE_URL": "postgresql://u:p@127.0.0.1/db", "HOGSEND_ORCHESTRATOR": "local"}
SECRET = {"BETTER_AUTH_SECRET": "x" * 40}


class NoDatabase:
    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        raise AssertionError(query.name)


def load(env: Mapping[str, str]) -> Settings:
    return settings_module.load({**BASE, **SECRET, **env}, mode="worker")


def test_build_mailer_opens_nothing_and_chooses_the_provider(tmp_path: Path) -> None:
    settings = load({"EMAIL_PROVIDER": "outbox", "HOGSEND_OUTBOX_DIR": str(tmp_path / "mail")})

    mailer = build_mailer(
        settings, NoDatabase(), template_dirs=[], clock=SystemClock(), new_id=uuid7
    )

    assert mailer.provider_name == "outbox"
    assert list(tmp_path.iterdir()) == []


def test_build_mailer_missing_template_directory_stops_the_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        build_mailer(
            load({}),
            NoDatabase(),
            template_dirs=[tmp_path / "nowhere"],
            clock=SystemClock(),
            new_id=uuid7,
        )


def test_read_provider_options_maps_every_smtp_variable() -> None:
    options = read_provider_options(
        load(
            {
                "SMTP_HOST": "mail.example.com",
                "SMTP_PORT": "465",
                "SMTP_SECURITY": "tls",
                "SMTP_USER": "ada",
                "SMTP_PASSWORD": "secret",
            }
        )
    )

    smtp = options.smtp
    assert smtp is not None
    assert (smtp.host, smtp.port, smtp.security) == ("mail.example.com", 465, "tls")
    assert (smtp.username, smtp.password) == ("ada", "secret")
    assert "secret" not in repr(options)


@pytest.mark.parametrize(("mode", "is_test"), [("true", True), ("false", False), ("auto", False)])
def test_read_mailer_options_test_mode(mode: str, is_test: bool) -> None:
    env = {"HOGSEND_TEST_MODE": mode, "HOGSEND_TEST_EMAIL": "me@example.com"}

    options = read_mailer_options(load({**env, "EMAIL_FROM": "Us <us@example.com>"}))

    assert (options.is_test, options.test_inbox) == (is_test, "me@example.com")
    assert options.sender == "Us <us@example.com>"
