"""Refusals that outlive an erasure: who must not be written to, without their address."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from hogsend.contacts import store
from hogsend.db import Executor
from hogsend.kernel.addresses import normalize_email

_PURPOSE = b"hogsend suppression hash v1"


class RefusalHasher:
    """Keyed hashes of addresses: comparable, not reversible without the server's secret.

    ``previous`` secrets are still looked up, so a rotation forgets nobody.
    """

    def __init__(self, secret: str, *, previous: Sequence[str] = ()) -> None:
        self._keys = [
            hmac.digest(value.encode(), _PURPOSE, hashlib.sha256) for value in (secret, *previous)
        ]

    def hash(self, email: str) -> str:
        """The hash to store, in hex."""
        return self.hashes(email)[0]

    def find(self, db: Executor, email: str) -> frozenset[str]:
        """``suppressed`` and ``unsubscribed``, as far as an erased person left them behind."""
        return store.find_refusals(db, self.hashes(email))

    def forget(self, db: Executor, email: str) -> None:
        """The person wants mail again; bounces and complaints stay."""
        store.forget_unsubscribed(db, self.hashes(email))

    def hashes(self, email: str) -> list[str]:
        """The hash under every secret, the present one first."""
        address = normalize_email(email).encode()
        return [hmac.digest(key, address, hashlib.sha256).hex() for key in self._keys]
