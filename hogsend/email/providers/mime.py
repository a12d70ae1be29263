"""A finished message as bytes, for wires that speak RFC 5322."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any

from hogsend.email.attachments import Attachment
from hogsend.email.providers.base import WireMessage
from hogsend.errors import ProviderRejected

_LINE_CHARACTERS = 998  # RFC 5322, 2.1.1
_USUAL_CHARACTERS = 78
_HEADER_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322, 3.6.8: printable, no colon


class _Wire(EmailPolicy):
    """CRLF, and long words stay whole.

    The standard library breaks a word longer than a line into encoded words. In List-Unsubscribe
    no mail program decodes them (RFC 2047, 5: not in structured headers), so its button is lost.
    """

    def fold(self, name: str, value: Any) -> str:
        return _whole(name, value) or super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        whole = _whole(name, value)
        return whole.encode("ascii") if whole else super().fold_binary(name, value)


_WIRE = _Wire(linesep="\r\n", max_line_length=_USUAL_CHARACTERS)


def _whole(name: str, value: Any) -> str | None:
    """The header on one line, when a word of it does not fit on a usual one."""
    text = str(value)
    is_long = text.isascii() and any(len(word) > _USUAL_CHARACTERS - 2 for word in text.split())
    line = f"{name}: {text}"
    return f"{line}\r\n" if is_long and len(line) <= _LINE_CHARACTERS else None


def to_mime(message: WireMessage) -> bytes:
    """CRLF lines, 7-bit only, the same bytes for the same message.

    Raises ProviderRejected when a header cannot be written (line breaks, bad address).
    """
    try:
        return _compose(message).as_bytes()
    except (ValueError, UnicodeError) as error:
        raise ProviderRejected(
            f"the message cannot be written as a mail: {error}", code="invalid_message"
        ) from error


def _compose(message: WireMessage) -> EmailMessage:
    mail = EmailMessage(policy=_WIRE)
    mail["From"] = message.sender
    mail["To"] = message.to
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = message.message_id
    if message.reply_to:
        mail["Reply-To"] = ", ".join(message.reply_to)
    for name, value in message.headers.items():
        # The standard library checks values for line breaks and lets names through.
        if _HEADER_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no header name")
        mail[name] = value
    # Quoted-printable keeps lines short and bytes below 128: no server extension is needed.
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    for file in message.attachments:
        _attach(mail, file)
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"hogsend-{message.send_id.hex}-{number}")
    return mail


def _attach(mail: EmailMessage, file: Attachment) -> None:
    """A file with a content id lies beside the HTML that shows it, every other at the end."""
    main, _, sub = file.content_type.partition("/")
    if file.content_id is None:
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.filename)
        return
    html = mail.get_body(("html",))
    assert html is not None
    html.add_related(
        file.content,
        maintype=main,
        subtype=sub,
        filename=file.filename,
        disposition="inline",
        cid=f"<{file.content_id}>",
    )
