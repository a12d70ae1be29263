"""Deterministic buckets for variants and holdouts (frozen by the reference's vectors)."""

from __future__ import annotations

import hashlib


def bucket_of(text: str) -> int:
    """0..9999: the first four bytes of SHA-256 as big-endian integer, modulo 10000."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 10_000


def sha256_hex(data: bytes | str) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
