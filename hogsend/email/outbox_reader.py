"""Reads back the mails that the outbox provider wrote, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

_MAX_BYTES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMail:
    """A mail as it would have left: header lines in order, both bodies, the file."""

    headers: tuple[tuple[str, str], ...]
    html: str | None
    text: str | None
    path: Path


def read_mail(directory: Path | None, send_id: UUID) -> StoredMail | None:
    """The mail of a send; None when this machine does not have it."""
    if directory is None:
        return None
    path = directory / f"{send_id}.eml"
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    message = message_from_bytes(content, policy=policy.default)
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    return StoredMail(
        headers=tuple((name, str(value)) for name, value in message.items()),
        html=None if html is None else html.get_content(),
        text=None if text is None else text.get_content(),
        path=path,
    )
