"""Any mail server, by SMTP (RFC 5321) from the standard library."""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from typing import Literal

from hogsend.email.providers.base import Capabilities, ProviderReceipt, WireMessage
from hogsend.email.providers.mime import to_mime
from hogsend.errors import (
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.kernel.addresses import domain_of

SmtpSecurity = Literal["starttls", "tls", "none"]
_LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpOptions:
    """``starttls`` upgrades a plain connection and refuses to go on without; ``tls`` is encrypted
    from the first byte; ``none`` sends in the clear. ``timeout`` is per network operation. At most
    ``pool_size`` connections stay open between mails, each for ``mails_per_connection`` mails and
    ``idle`` without one: servers hang up on longer silence."""

    host: str
    port: int = 587
    security: SmtpSecurity = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: timedelta = timedelta(seconds=10)
    ca_file: str | None = None
    pool_size: int = 4
    mails_per_connection: int = 100
    idle: timedelta = timedelta(seconds=20)


class SmtpProvider:
    """Keeps a few connections open. SMTP knows no idempotency key: a lost answer stays unknown.

    The Message-ID is made from the send id, so that a mailbox can recognise a repetition. A
    server that speaks DSN (RFC 3461) is asked to report failures and delays, with the send id as
    envelope id.
    """

    name = "smtp"
    capabilities = Capabilities(attachments=True)

    def __init__(
        self, options: SmtpOptions, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._ticks = ticks
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._is_closed = False

    def send(self, message: WireMessage) -> ProviderReceipt:
        """See EmailProvider.send."""
        content = to_mime(message)
        sender = parseaddr(message.sender)[1]
        connection = self._take(domain_of(sender))
        is_reusable = False
        try:
            self._open_envelope(
                connection.client,
                sender=sender,
                recipient=message.to,
                envelope_id=str(message.send_id),
            )
            self._transmit(connection.client, content)
            is_reusable = True
        except ProviderError as error:
            # An answered refusal leaves the connection in order; anything else ends it.
            is_reusable = error.status not in (None, 421)
            raise
        finally:
            self._give_back(connection, is_reusable=is_reusable)
        return ProviderReceipt(message_id=message.message_id)

    def close(self) -> None:
        """Say goodbye on idle connections; a later send opens new ones, used once."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._is_closed = True
        for connection in idle:
            _leave(connection.client)

    def _take(self, local_name: str) -> _Connection:
        """An idle connection that still answers, else a new one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _Connection(client=self._connect(local_name))
            if self._is_alive(connection):
                return connection
            _leave(connection.client)

    def _is_alive(self, connection: _Connection) -> bool:
        options = self._options
        if connection.used >= options.mails_per_connection:
            return False
        if self._ticks() - connection.idle_since > options.idle.total_seconds():
            return False
        try:
            # Also ends a mail the server refused half way.
            return connection.client.rset()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def _give_back(self, connection: _Connection, *, is_reusable: bool) -> None:
        connection.used += 1
        connection.idle_since = self._ticks()
        with self._lock:
            if (
                is_reusable
                and not self._is_closed
                and len(self._idle) < self._options.pool_size
                and connection.used < self._options.mails_per_connection
            ):
                self._idle.append(connection)
                return
        _leave(connection.client)

    def _connect(self, local_name: str) -> smtplib.SMTP:
        options = self._options
        seconds = options.timeout.total_seconds()
        client: smtplib.SMTP | None = None
        try:
            if options.security == "tls":
                client = smtplib.SMTP_SSL(
                    options.host,
                    options.port,
                    local_hostname=local_name,
                    timeout=seconds,
                    context=self._tls(),
                )
            else:
                client = smtplib.SMTP(
                    options.host, options.port, local_hostname=local_name, timeout=seconds
                )
            self._greet(client)
        except (OSError, smtplib.SMTPException) as error:
            if client is not None:
                client.close()
            raise _before_data(error, step="connect") from error
        return client

    def _greet(self, client: smtplib.SMTP) -> None:
        options = self._options
        client.ehlo_or_helo_if_needed()
        if options.security == "starttls":
            client.starttls(context=self._tls())
            client.ehlo()
        if options.username is not None:
            client.login(options.username, options.password or "")

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._options.ca_file)

    def _open_envelope(
        self, client: smtplib.SMTP, *, sender: str, recipient: str, envelope_id: str
    ) -> None:
        from_options, to_options = _dsn_options(client, recipient, envelope_id=envelope_id)
        try:
            _expect(
                client.mail(sender, from_options), 250, step="sender", refusal=ProviderPermanent
            )
            _expect(
                client.rcpt(recipient, to_options),
                250,
                251,
                step="recipient",
                refusal=ProviderRejected,
            )
            _expect(client.docmd("DATA"), 354, step="data", refusal=ProviderRejected)
        except (OSError, smtplib.SMTPException) as error:
            raise _before_data(error, step="envelope") from error

    def _transmit(self, client: smtplib.SMTP, content: bytes) -> None:
        """From here on the server may have the mail even if we never hear of it."""
        body = _LEADING_DOT.sub(b"..", content)
        try:
            client.send(body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            answer = client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise ProviderUnknown(
                f"the mail server's answer was lost: {_reason(error)}", code="smtp_answer_lost"
            ) from error
        _expect(answer, 250, step="content", refusal=ProviderRejected)


@dataclass(slots=True, kw_only=True)
class _Connection:
    client: smtplib.SMTP
    used: int = 0
    idle_since: float = 0.0


def _leave(client: smtplib.SMTP) -> None:
    """The outcome is decided; nobody waits for the goodbye, and it must not change it."""
    with suppress(OSError, smtplib.SMTPException):
        client.putcmd("QUIT")
    client.close()


def _dsn_options(
    client: smtplib.SMTP, recipient: str, *, envelope_id: str
) -> tuple[list[str], list[str]]:
    """Parameters of MAIL and RCPT, empty for a server without DSN. ``recipient`` is ASCII."""
    if not client.has_extn("dsn"):
        return [], []
    # xtext (RFC 3461, 4): these two would start or look like an escape.
    address = recipient.replace("+", "+2B").replace("=", "+3D")
    return (
        ["RET=HDRS", f"ENVID={envelope_id}"],
        ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{address}"],
    )


def _expect(
    answer: tuple[int, bytes], *wanted: int, step: str, refusal: type[ProviderError]
) -> None:
    code, text = answer
    if code not in wanted:
        raise _refused(code, text, step=step, refusal=refusal)


def _refused(
    code: int, text: bytes | str, *, step: str, refusal: type[ProviderError]
) -> ProviderError:
    """4xx and the server's farewell (421) are for now, 5xx for good."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    kind = refusal if code >= 500 else ProviderTransient
    return kind(
        f"the mail server refused the {step}: {code} {shown[:300]}",
        code=f"smtp_{step}_refused",
        status=code,
    )


def _before_data(error: Exception, *, step: str) -> ProviderError:
    """Nothing was handed over yet: the question is only whether trying again can help."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _refused(error.smtp_code, error.smtp_error, step="login", refusal=ProviderPermanent)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ProviderPermanent(
            f"the mail server lacks a feature we need: {error}",
            code="smtp_not_supported",
            hint="check SMTP_SECURITY (starttls, tls or none) and the port",
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(error.smtp_code, error.smtp_error, step=step, refusal=ProviderPermanent)
    is_cut = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(error, ssl.SSLError) and not is_cut and step == "connect":
        return ProviderPermanent(
            f"no encrypted connection to the mail server: {_reason(error)}",
            code="smtp_tls_failed",
            hint="check SMTP_SECURITY, the port and the server's certificate",
        )
    return ProviderTransient(
        f"cannot talk to the mail server: {_reason(error)}", code="smtp_unreachable"
    )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
