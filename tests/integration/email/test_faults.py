from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from hogsend.db import Database
from hogsend.email.providers.base import EmailProvider
from hogsend.email.providers.postmark import PostmarkOptions, PostmarkProvider
from hogsend.email.providers.resend import ResendProvider
from hogsend.email.providers.smtp import SmtpOptions, SmtpProvider
from hogsend.email.providers.unconfigured import UnconfiguredProvider
from hogsend.errors import ProviderError
from hogsend.net.client import HttpClient, HttpOptions
from tests.fakes.mail import REQUEST, build, expire_lease, sql
from tests.fakes.mail_sink import Faults, MailSink

pytestmark = pytest.mark.integration

QUICK = HttpOptions(read_timeout=timedelta(seconds=0.4), connect_timeout=timedelta(seconds=0.4))


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as running:
        yield running


def resend(url: str) -> EmailProvider:
    return ResendProvider(HttpClient(QUICK), api_key="re_x", base_url=url)


def postmark(url: str) -> EmailProvider:
    return PostmarkProvider(HttpClient(QUICK), PostmarkOptions(server_token="t", base_url=url))


def smtp(port: int) -> EmailProvider:
    return SmtpProvider(
        SmtpOptions(host="127.0.0.1", port=port, security="none", timeout=timedelta(seconds=0.4))
    )


def outcome(database: Database, provider: EmailProvider) -> tuple[str, str, bool]:
    """What the caller sees, what the ledger says, whether the row counts as handed over."""
    mailer = build(database, provider)
    try:
        seen = mailer.send(REQUEST).status
    except ProviderError as error:
        seen = type(error).__name__  # type: ignore[assignment]  # a word for the table
    finally:
        mailer.close()
    ((status, handed_over, lease),) = sql(
        database, "SELECT status, handed_over_at IS NOT NULL, claimed_by FROM email_sends"
    )
    assert lease is None
    return seen, status, handed_over


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(), ("sent", "sent", True)),
        (Faults(busy=1), ("ProviderTransient", "queued", False)),
        (Faults(broken=1), ("ProviderTransient", "queued", False)),
        (Faults(hung_up=1), ("ProviderUnknown", "queued", True)),
        (Faults(lost=1), ("ProviderUnknown", "queued", True)),
        (Faults(garbled=1), ("ProviderUnknown", "queued", True)),
        (Faults(slow_seconds=1), ("ProviderUnknown", "queued", True)),
    ],
)
def test_faults_of_a_vendor_that_recognises_keys_keep_the_send_open(
    database: Database, sink: MailSink, faults: Faults, expected: tuple[str, str, bool]
) -> None:
    sink.faults = faults

    assert outcome(database, resend(sink.url)) == expected

    sink.faults = Faults()
    expire_lease(database)
    mailer = build(database, resend(sink.url))
    assert mailer.send(REQUEST).status == "sent"
    mailer.close()
    assert sink.accepted == {"ada@example.org": 1}


@pytest.mark.parametrize(
    ("faults", "expected", "accepted"),
    [
        (Faults(busy=1), ("ProviderTransient", "queued", False), 0),
        (Faults(broken=1), ("ProviderTransient", "queued", False), 0),
        (Faults(hung_up=1), ("unknown", "unknown", True), 0),
        (Faults(slow_seconds=1), ("unknown", "unknown", True), 1),
    ],
)
def test_faults_of_a_vendor_without_memory_become_unknown_and_stay_so(
    database: Database,
    sink: MailSink,
    faults: Faults,
    expected: tuple[str, str, bool],
    accepted: int,
) -> None:
    # The sink speaks Resend's dialect; only its refusals and its silence matter here.
    sink.faults = faults

    assert outcome(database, postmark(sink.url)) == expected
    if expected[1] == "unknown":
        sink.faults = Faults()
        assert outcome(database, postmark(sink.url)) == expected


@pytest.mark.parametrize("make", [resend, postmark])
def test_faults_nobody_there(database: Database, make: object, closed_port: int) -> None:
    assert callable(make)

    assert outcome(database, make(f"http://127.0.0.1:{closed_port}")) == (
        "ProviderTransient",
        "queued",
        False,
    )


def test_faults_no_mail_server(database: Database, closed_port: int) -> None:
    assert outcome(database, smtp(closed_port)) == ("ProviderTransient", "queued", False)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"GREETING": "421 busy"}, ("ProviderTransient", "queued", False)),
        ({"GREETING": None}, ("ProviderTransient", "queued", False)),
        ({"MAIL": "550 not you"}, ("ProviderPermanent", "failed", False)),
        ({"RCPT": "450 later"}, ("ProviderTransient", "queued", False)),
        ({"RCPT": "550 no such user"}, ("failed", "failed", False)),
        ({"DATA": None}, ("ProviderTransient", "queued", False)),
        ({"CONTENT": "452 full"}, ("ProviderTransient", "queued", False)),
        ({"CONTENT": "554 spam"}, ("failed", "failed", False)),
        ({"CONTENT": None}, ("unknown", "unknown", True)),
    ],
)
def test_faults_of_a_mail_server(
    database: Database,
    scripted_mail_server: object,
    answers: dict[str, str | None],
    expected: tuple[str, str, bool],
) -> None:
    scripted_mail_server.answers.update(answers)  # type: ignore[attr-defined]  # ScriptedMailServer

    assert outcome(database, smtp(scripted_mail_server.port)) == expected  # type: ignore[attr-defined]  # as above


def test_faults_nobody_configured_a_provider(database: Database) -> None:
    assert outcome(database, UnconfiguredProvider()) == ("ProviderPermanent", "failed", False)
    ((reason,),) = sql(database, "SELECT reason FROM email_sends")
    assert reason.startswith("provider_unconfigured")
