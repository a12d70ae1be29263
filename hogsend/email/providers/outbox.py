"""Writes mail to a directory instead of sending it: the first mail needs no account."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from hogsend.email.providers.base import Capabilities, ProviderReceipt, WireMessage
from hogsend.email.providers.mime import to_mime
from hogsend.errors import ProviderTransient


class OutboxProvider:
    """One ``<send id>.eml`` per mail, which mail programs open as it is.

    The file name is the idempotency key: a mail that is already there is not written again. A file
    is complete and on disk before ``send`` returns. The directory is made when it is missing.
    """

    name = "outbox"
    capabilities = Capabilities(recognises_key_for=timedelta(days=3650))

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def send(self, message: WireMessage) -> ProviderReceipt:
        """See EmailProvider.send; a full or read-only disk raises ProviderTransient."""
        target = self._directory / f"{message.send_id}.eml"
        content = to_mime(message)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                _write_whole(target, content)
        except OSError as error:
            raise ProviderTransient(
                f"cannot write to the mail outbox: {error.strerror or error}",
                code="outbox_not_writable",
                hint="check that the directory exists and has space",
                context={"path": str(target)},
            ) from error
        return ProviderReceipt(message_id=message.message_id)

    def close(self) -> None:
        """Nothing is held open."""


def _write_whole(target: Path, content: bytes) -> None:
    """Rename into place, so that a reader sees all of the file or none."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
