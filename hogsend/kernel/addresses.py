"""Mail addresses: one normal form, one syntax check, header-safe."""

from __future__ import annotations

import re
from email.utils import getaddresses

from hogsend.errors import InvalidInput

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)


def normalize_email(address: str) -> str:
    """Trimmed and lower-cased: how addresses are stored and compared."""
    return address.strip().lower()


def is_email(address: str) -> bool:
    """True for ``local@domain.tld`` of at most 254 characters."""
    return len(address) <= 254 and _ADDRESS.fullmatch(address) is not None


def parse_sender(value: str) -> tuple[str, str]:
    """Split ``a@b.c`` or ``Name <a@b.c>`` into (name, address); raises InvalidInput."""
    pairs = getaddresses([value])
    name, address = pairs[0] if pairs else ("", "")
    if len(pairs) != 1 or any(ch in value for ch in "\r\n\0") or not is_email(address):
        raise InvalidInput(
            f"{value!r} is not a sender address", hint="use a@b.com or Name <a@b.com>"
        )
    return name, address


def domain_of(address: str) -> str:
    """The part after the last ``@``, lower-cased."""
    return address.rsplit("@", 1)[-1].rstrip(">").lower()
