"""Files that travel with a mail, and what they may look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonValue

MAX_FILES = 20
MAX_BYTES = 25 * 1024 * 1024
_MAX_FILENAME = 255
_MAX_TYPE = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """``content`` is the decoded file. ``content_id`` (bare, for ``cid:``) makes it inline."""

    filename: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    content_id: str | None = None


class InvalidAttachment(InvalidInput):
    """An attachment breaks a limit or would break a header; nothing was stored."""

    default_code = "invalid_attachment"


class AttachmentsUnsupported(InvalidInput):
    """The provider in use cannot carry files; nothing was stored."""

    default_code = "attachments_unsupported"


def check_attachments(files: Sequence[Attachment]) -> None:
    """At most 20 files and 25 MiB decoded in all; raises InvalidAttachment."""
    if len(files) > MAX_FILES:
        raise InvalidAttachment(f"{len(files)} attachments are too many (at most {MAX_FILES})")
    total = sum(len(file.content) for file in files)
    if total > MAX_BYTES:
        raise InvalidAttachment(f"{total} bytes of attachments are too many (at most {MAX_BYTES})")
    for file in files:
        _check_text(file.filename, "file name", _MAX_FILENAME)
        _check_text(file.content_type, "content type", _MAX_TYPE)
        main, slash, sub = file.content_type.partition("/")
        if not (main and slash and sub) or main.lower() in ("multipart", "message"):
            raise InvalidAttachment(f"{file.content_type!r} is not a type a file can have")
        if file.content_id is not None:
            _check_text(file.content_id, "content id", _MAX_TYPE)


def describe_attachments(files: Sequence[Attachment]) -> list[JsonValue]:
    """What the ledger keeps of them: name, size, type."""
    return [
        {"filename": f.filename, "size": len(f.content), "contentType": f.content_type}
        for f in files
    ]


def _check_text(text: str, what: str, longest: int) -> None:
    if not 1 <= len(text) <= longest:
        raise InvalidAttachment(f"an attachment's {what} has 1 to {longest} characters")
    if any(ord(ch) < 32 or ord(ch) == 127 for ch in text):
        raise InvalidAttachment(f"an attachment's {what} must not hold control characters")
