from __future__ import annotations

import email
from dataclasses import replace
from email.policy import SMTP

import pytest

from hogsend.email.providers.base import WireMessage
from hogsend.email.providers.mime import to_mime
from hogsend.errors import ProviderRejected

LINK = f"<https://mail.example.com/v1/email/unsubscribe?token={'a' * 300}.{'b' * 43}>"


def test_long_unsubscribe_link_is_written_as_it_is(message: WireMessage) -> None:
    headers = {
        "List-Unsubscribe": LINK,
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }

    written = to_mime(replace(message, headers=headers))

    assert f"\r\nList-Unsubscribe: {LINK}\r\n".encode() in written
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in written
    assert email.message_from_bytes(written, policy=SMTP)["List-Unsubscribe"] == LINK


def test_long_subject_is_folded_and_read_back(message: WireMessage) -> None:
    subject = "Größe " * 40

    written = to_mime(replace(message, subject=subject.strip()))

    head = written.partition(b"\r\n\r\n")[0]
    assert max(len(line) for line in head.split(b"\r\n")) <= 78
    assert email.message_from_bytes(written, policy=SMTP)["Subject"] == subject.strip()


def test_word_longer_than_a_line_may_be_is_encoded(message: WireMessage) -> None:
    written = to_mime(replace(message, headers={"X-Long": "a" * 2000}))

    assert max(len(line) for line in written.split(b"\r\n")) <= 998


@pytest.mark.parametrize("value", [f"{LINK}\r\nBcc: eve@example.org", f"{LINK}\nX: y"])
def test_line_breaks_in_a_long_header_are_refused(message: WireMessage, value: str) -> None:
    with pytest.raises(ProviderRejected):
        to_mime(replace(message, headers={"List-Unsubscribe": value}))
