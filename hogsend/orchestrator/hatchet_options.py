"""Where the Hatchet engine is and how to behave towards it; imports nothing of the SDK."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hogsend.errors import ConfigError

TLS_STRATEGIES = ("tls", "mtls", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class HatchetOptions:
    """Connection and behaviour of one worker or submitter.

    ``host_port`` and ``server_url`` default to the token's claims. ``engine_lost_after`` is how
    long a serving worker stays without a live engine before it gives up; ``health_port`` is
    where the listener child answers the worker on loopback, None picks a free port.
    """

    token: str = field(repr=False)
    host_port: str | None = None
    server_url: str | None = None
    namespace: str = ""
    tls_strategy: str = "tls"
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_root_ca_file: Path | None = None
    tls_server_name: str | None = None
    worker_name: str = "hogsend-worker"
    slots: int = 100
    drain_timeout: timedelta = timedelta(seconds=30)
    engine_lost_after: timedelta = timedelta(minutes=5)
    submit_timeout: timedelta = timedelta(seconds=15)
    health_port: int | None = None

    def address(self) -> str:
        """``host:port`` of the engine's gRPC endpoint; raises ConfigError for a bad token."""
        return self.host_port or read_claims(self.token)["grpc_broadcast_address"]

    def check(self) -> None:
        """Raise ConfigError for what can never work, before anything connects."""
        read_claims(self.token)
        if self.tls_strategy not in TLS_STRATEGIES:
            raise ConfigError(
                f"HATCHET_CLIENT_TLS_STRATEGY '{self.tls_strategy}' is unknown",
                hint=f"use one of {', '.join(TLS_STRATEGIES)}",
            )
        if self.tls_strategy == "mtls":
            self._check_mutual_tls()
        elif self.tls_strategy == "tls":
            _check_file("HATCHET_CLIENT_TLS_ROOT_CA_FILE", self.tls_root_ca_file, required=False)

    def _check_mutual_tls(self) -> None:
        for name, path in (
            ("HATCHET_CLIENT_TLS_CERT_FILE", self.tls_cert_file),
            ("HATCHET_CLIENT_TLS_KEY_FILE", self.tls_key_file),
            ("HATCHET_CLIENT_TLS_ROOT_CA_FILE", self.tls_root_ca_file),
        ):
            _check_file(name, path, required=True)


def read_claims(token: str) -> dict[str, str]:
    """The claims the client needs: ``sub``, ``server_url``, ``grpc_broadcast_address``.

    The signature is the engine's business. Raises ConfigError when it is not such a token.
    """
    wrong = ConfigError(
        "HATCHET_CLIENT_TOKEN is not a Hatchet API token",
        hint="paste the whole token (three parts joined by dots, starting with 'ey')",
    )
    try:
        claims = _decode_claims(token)
        return {k: str(claims[k]) for k in ("sub", "server_url", "grpc_broadcast_address")}
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise wrong from error


def find_expiry(token: str) -> datetime | None:
    """When the engine will stop to accept the token (by default it lives 90 days); None: never."""
    try:
        return datetime.fromtimestamp(float(str(_decode_claims(token)["exp"])), UTC)
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def _decode_claims(token: str) -> dict[str, object]:
    """Raises ValueError for anything that is not three parts with JSON in the middle."""
    parts = token.split(".")
    if len(parts) != 3 or not token.startswith("ey"):
        raise ValueError("not a token")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("not an object")
    return claims


def _check_file(name: str, path: Path | None, *, required: bool) -> None:
    if path is None:
        if required:
            raise ConfigError(f"{name} is required with HATCHET_CLIENT_TLS_STRATEGY=mtls")
        return
    if not path.is_file():
        raise ConfigError(f"{name} names a file that does not exist", context={"path": str(path)})
