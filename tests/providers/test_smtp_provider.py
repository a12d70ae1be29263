from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from hogsend.email.attachments import Attachment
from hogsend.email.providers.base import ProviderReceipt, WireMessage
from hogsend.email.providers.smtp import SmtpOptions, SmtpProvider, SmtpSecurity
from hogsend.embedded.ports import find_free_port
from hogsend.errors import (
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from tests.fakes.certificates import Certificate
from tests.providers.conftest import SEND_ID, ScriptedMailServer


class Inbox:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.peers: list[object] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.peers.append(session.peer)
        return "250 OK"


def check_login(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    is_right = data == LoginPassword(b"ada", b"secret")
    return AuthResult(success=is_right, handled=False)


Serve = Callable[..., tuple[int, Inbox]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[Controller] = []

    def start(**options: Any) -> tuple[int, Inbox]:
        inbox = Inbox()
        controller = Controller(inbox, hostname="127.0.0.1", port=find_free_port(), **options)
        controller.start()
        running.append(controller)
        return int(controller.port), inbox

    yield start
    for controller in running:
        controller.stop()


def send(
    message: WireMessage,
    *,
    port: int,
    security: SmtpSecurity = "none",
    password: str | None = None,
    ca_file: str | None = None,
) -> ProviderReceipt:
    options = SmtpOptions(
        host="127.0.0.1",
        port=port,
        security=security,
        username="ada" if password else None,
        password=password,
        ca_file=ca_file,
    )
    provider = SmtpProvider(options)
    try:
        return provider.send(message)
    finally:
        provider.close()


def read(envelope: Envelope) -> EmailMessage:
    content = envelope.content
    assert isinstance(content, bytes)
    parsed = message_from_bytes(content, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_send_plain_connection_delivers_both_bodies_unharmed(
    serve: Serve, message: WireMessage
) -> None:
    port, inbox = serve()

    receipt = send(message, port=port)

    (envelope,) = inbox.envelopes
    mail = read(envelope)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert (envelope.mail_from, envelope.rcpt_tos) == ("hello@example.com", ["ada@example.org"])
    assert receipt.message_id == mail["Message-ID"] == f"<{SEND_ID}@example.com>"
    assert (mail["From"], mail["Subject"]) == ("Grüße <hello@example.com>", "Schöne Grüße")
    assert (mail["Reply-To"], mail["X-Campaign"]) == ("help@example.com", "spring")
    assert mail["Date"].datetime == message.created_at
    assert text.get_content().splitlines() == ["Größe", ".", "End"]
    assert html.get_content().splitlines() == ["<p>Größe</p>", "<p>.</p>"]
    assert "hs_send_id" not in str(mail)
    assert message.idempotency_key not in str(mail)


def test_send_same_message_twice_is_byte_stable(serve: Serve, message: WireMessage) -> None:
    port, inbox = serve()

    send(message, port=port)
    send(message, port=port)

    assert inbox.envelopes[0].content == inbox.envelopes[1].content


def test_send_starttls_and_login_delivers(
    serve: Serve, message: WireMessage, certificate: Certificate
) -> None:
    port, inbox = serve(
        tls_context=certificate.server_context,
        require_starttls=True,
        authenticator=check_login,
        auth_required=True,
    )

    send(
        message, port=port, security="starttls", password="secret", ca_file=str(certificate.ca_file)
    )

    assert len(inbox.envelopes) == 1


def test_send_tls_from_the_first_byte_delivers(
    serve: Serve, message: WireMessage, certificate: Certificate
) -> None:
    port, inbox = serve(ssl_context=certificate.server_context)

    send(message, port=port, security="tls", ca_file=str(certificate.ca_file))

    assert len(inbox.envelopes) == 1


def test_send_untrusted_certificate_is_permanent_and_nothing_leaves(
    serve: Serve, message: WireMessage, certificate: Certificate
) -> None:
    port, inbox = serve(tls_context=certificate.server_context)

    with pytest.raises(ProviderPermanent) as caught:
        send(message, port=port, security="starttls")

    assert caught.value.code == "smtp_tls_failed"
    assert inbox.envelopes == []


def test_send_starttls_missing_never_falls_back_to_plain(
    serve: Serve, message: WireMessage
) -> None:
    port, inbox = serve()

    with pytest.raises(ProviderPermanent) as caught:
        send(message, port=port, security="starttls")

    assert caught.value.code == "smtp_not_supported"
    assert inbox.envelopes == []


def test_send_wrong_password_is_permanent(serve: Serve, message: WireMessage) -> None:
    port, _ = serve(authenticator=check_login, auth_require_tls=False)

    with pytest.raises(ProviderPermanent) as caught:
        send(message, port=port, password="wrong")

    assert (caught.value.code, caught.value.status) == ("smtp_login_refused", 535)
    assert "wrong" not in str(caught.value)


def test_send_refused_connection_is_transient(message: WireMessage, closed_port: int) -> None:
    with pytest.raises(ProviderTransient, match="ConnectionRefusedError"):
        send(message, port=closed_port)


@pytest.mark.parametrize(
    ("verb", "answer", "kind", "code"),
    [
        ("GREETING", "421 busy", ProviderTransient, "smtp_connect_refused"),
        ("GREETING", "554 go away", ProviderPermanent, "smtp_connect_refused"),
        ("GREETING", None, ProviderTransient, "smtp_unreachable"),
        ("MAIL", "451 later", ProviderTransient, "smtp_sender_refused"),
        ("MAIL", "550 not you", ProviderPermanent, "smtp_sender_refused"),
        ("MAIL", None, ProviderTransient, "smtp_unreachable"),
        ("RCPT", "450 greylisted", ProviderTransient, "smtp_recipient_refused"),
        ("RCPT", "421 closing", ProviderTransient, "smtp_recipient_refused"),
        ("RCPT", "550 no such user", ProviderRejected, "smtp_recipient_refused"),
        ("DATA", "451 later", ProviderTransient, "smtp_data_refused"),
        ("DATA", "554 no", ProviderRejected, "smtp_data_refused"),
        ("DATA", None, ProviderTransient, "smtp_unreachable"),
        ("CONTENT", "452 disk full", ProviderTransient, "smtp_content_refused"),
        ("CONTENT", "554 spam", ProviderRejected, "smtp_content_refused"),
        ("CONTENT", None, ProviderUnknown, "smtp_answer_lost"),
    ],
)
def test_send_refusal_maps_to_the_taxonomy(
    scripted_mail_server: ScriptedMailServer,
    message: WireMessage,
    verb: str,
    answer: str | None,
    kind: type[ProviderError],
    code: str,
) -> None:
    scripted_mail_server.answers[verb] = answer

    with pytest.raises(ProviderError) as caught:
        send(message, port=scripted_mail_server.port)

    assert type(caught.value) is kind
    assert caught.value.code == code


def test_send_forwarding_recipient_is_accepted(
    scripted_mail_server: ScriptedMailServer, message: WireMessage
) -> None:
    scripted_mail_server.answers["RCPT"] = "251 will forward"

    send(message, port=scripted_mail_server.port)

    assert len(scripted_mail_server.received) == 1


def test_send_server_gone_after_yes_is_still_a_yes(
    scripted_mail_server: ScriptedMailServer, message: WireMessage
) -> None:
    scripted_mail_server.answers["QUIT"] = None

    assert send(message, port=scripted_mail_server.port).message_id


def test_send_header_injection_is_rejected_before_any_connection(
    message: WireMessage, closed_port: int
) -> None:
    from dataclasses import replace

    evil = replace(message, headers={"X-A": "b\r\nBcc: eve@example.com"})

    with pytest.raises(ProviderRejected) as caught:
        send(evil, port=closed_port)

    assert caught.value.code == "invalid_message"


@pytest.fixture
def provider(serve: Serve) -> Iterator[tuple[SmtpProvider, Inbox, int]]:
    port, inbox = serve()
    built = SmtpProvider(SmtpOptions(host="127.0.0.1", port=port, security="none"))
    yield built, inbox, port
    built.close()


def test_send_many_mails_share_a_connection(
    provider: tuple[SmtpProvider, Inbox, int], message: WireMessage
) -> None:
    built, inbox, _ = provider

    for _ in range(5):
        built.send(message)

    assert len(inbox.envelopes) == 5
    assert len(set(inbox.peers)) == 1


def test_send_from_many_threads_keeps_a_bounded_pool(
    provider: tuple[SmtpProvider, Inbox, int], message: WireMessage
) -> None:
    built, inbox, _ = provider

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: built.send(message), range(40)))

    assert len(inbox.envelopes) == 40
    assert len(set(inbox.peers)) < 40
    assert len(built._idle) <= 4


def test_send_connection_the_server_dropped_is_replaced(
    scripted_mail_server: ScriptedMailServer, message: WireMessage
) -> None:
    now = [0.0]
    options = SmtpOptions(host="127.0.0.1", port=scripted_mail_server.port, security="none")
    provider = SmtpProvider(options, ticks=lambda: now[0])
    provider.send(message)
    scripted_mail_server.answers["RSET"] = None

    provider.send(message)
    now[0] += 60  # longer than a server waits
    provider.send(message)
    provider.close()

    assert len(scripted_mail_server.received) == 3


def test_send_refused_recipient_does_not_spoil_the_next_mail(
    scripted_mail_server: ScriptedMailServer, message: WireMessage
) -> None:
    options = SmtpOptions(host="127.0.0.1", port=scripted_mail_server.port, security="none")
    provider = SmtpProvider(options)
    scripted_mail_server.answers["RCPT"] = "550 no such user"
    with pytest.raises(ProviderRejected):
        provider.send(message)
    del scripted_mail_server.answers["RCPT"]

    receipt = provider.send(message)
    provider.close()

    assert receipt.message_id == message.message_id
    assert len(scripted_mail_server.received) == 1


def test_send_server_with_dsn_is_asked_to_report_by_send_id(
    scripted_mail_server: ScriptedMailServer, message: WireMessage
) -> None:
    scripted_mail_server.answers["EHLO"] = "250-scripted\r\n250-SIZE\r\n250 DSN"

    send(replace(message, to="ada+x@example.org"), port=scripted_mail_server.port)

    mail, rcpt = (
        line for line in scripted_mail_server.lines if line[:4].upper() in ("MAIL", "RCPT")
    )
    assert f"RET=HDRS ENVID={SEND_ID}" in mail
    assert "NOTIFY=FAILURE,DELAY ORCPT=rfc822;ada+2Bx@example.org" in rcpt


def test_send_server_without_dsn_is_not_asked(
    scripted_mail_server: ScriptedMailServer, message: WireMessage
) -> None:
    send(message, port=scripted_mail_server.port)

    assert not any("NOTIFY" in line or "ENVID" in line for line in scripted_mail_server.lines)


def test_send_attachments_arrive_beside_and_inside_the_html(
    serve: Serve, message: WireMessage
) -> None:
    port, inbox = serve()
    files = (
        Attachment(filename="r\u00e4tsel.pdf", content=b"%PDF", content_type="application/pdf"),
        Attachment(filename="i.png", content=b"\x89P", content_type="image/png", content_id="c1"),
    )

    send(replace(message, attachments=files), port=port)
    send(replace(message, attachments=files), port=port)

    first, second = inbox.envelopes
    parts = {part.get_content_type(): part for part in read(first).walk()}
    assert first.content == second.content
    assert parts["application/pdf"].get_filename() == "r\u00e4tsel.pdf"
    assert parts["application/pdf"].get_content() == b"%PDF"
    assert parts["image/png"]["Content-ID"] == "<c1>"
    assert "multipart/related" in parts
    assert "text/plain" in parts


@pytest.mark.parametrize(
    "headers", [{"X-A": "b\r\nBcc: eve@example.com"}, {"X-A\r\nBcc": "x"}, {"X A": "x"}]
)
def test_send_header_that_breaks_out_is_refused_before_the_server_hears_of_it(
    serve: Serve, message: WireMessage, headers: dict[str, str]
) -> None:
    port, inbox = serve()

    with pytest.raises(ProviderRejected):
        send(replace(message, headers=headers), port=port)

    assert inbox.envelopes == []
