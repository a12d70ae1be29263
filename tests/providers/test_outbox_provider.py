from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hogsend.email.providers.base import WireMessage
from hogsend.email.providers.outbox import OutboxProvider
from hogsend.errors import ProviderTransient
from tests.providers.conftest import SEND_ID


def test_send_writes_one_readable_file_named_by_send_id(
    tmp_path: Path, message: WireMessage
) -> None:
    box = tmp_path / "made" / "on-demand"

    receipt = OutboxProvider(box).send(message)

    (file,) = box.iterdir()
    mail = message_from_bytes(file.read_bytes(), policy=default)
    assert file.name == f"{SEND_ID}.eml"
    assert mail["Message-ID"] == receipt.message_id
    assert mail["Subject"] == "Schöne Grüße"


def test_send_again_keeps_the_first_file(tmp_path: Path, message: WireMessage) -> None:
    provider = OutboxProvider(tmp_path)
    provider.send(message)
    before = (tmp_path / f"{SEND_ID}.eml").stat()

    receipt = provider.send(replace(message, subject="Changed"))

    after = (tmp_path / f"{SEND_ID}.eml").stat()
    assert receipt.message_id == message.message_id
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_send_two_mails_are_two_files(tmp_path: Path, message: WireMessage) -> None:
    provider = OutboxProvider(tmp_path)

    provider.send(message)
    provider.send(replace(message, send_id=uuid4()))

    assert len(list(tmp_path.glob("*.eml"))) == 2


@pytest.mark.parametrize("step", ["write", "rename"])
def test_send_interrupted_leaves_neither_mail_nor_draft(
    tmp_path: Path, message: WireMessage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr("hogsend.email.providers.outbox.os.fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(ProviderTransient, match="No space left"):
        OutboxProvider(tmp_path).send(message)

    assert list(tmp_path.iterdir()) == []


def test_send_directory_is_a_file_is_transient(tmp_path: Path, message: WireMessage) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")

    with pytest.raises(ProviderTransient) as caught:
        OutboxProvider(blocked).send(message)

    assert caught.value.code == "outbox_not_writable"
