"""The Hatchet engine: token, reachability, TLS, version. Loads no SDK."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hogsend.errors import ConfigError
from hogsend.kernel.clock import Clock
from hogsend.ops.checks.finding import Finding, ok, problem, warning
from hogsend.orchestrator.engine_probe import Probe, probe_engine
from hogsend.orchestrator.hatchet_options import HatchetOptions
from hogsend.settings import Settings

_SUBJECT = "engine"
_OLDEST = (0, 78, 23)
_SOON = timedelta(days=14)


def check_engine(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """The orchestrator the environment chooses."""
    if settings.orchestrator == "local":
        return [ok(_SUBJECT, "local orchestrator, inside the one worker")]
    options = HatchetOptions(
        token=settings.hatchet_client_token or "",
        host_port=settings.hatchet_client_host_port,
        tls_strategy=settings.hatchet_client_tls_strategy,
        tls_cert_file=settings.hatchet_client_tls_cert_file,
        tls_key_file=settings.hatchet_client_tls_key_file,
        tls_root_ca_file=settings.hatchet_client_tls_root_ca_file,
        tls_server_name=settings.hatchet_client_tls_server_name,
    )
    try:
        options.check()
    except ConfigError as error:
        return [problem(_SUBJECT, error.message, error.hint or "see docs/environment.md")]
    return [*_token(options.token, clock), _connection(options)]


def _token(token: str, clock: Clock) -> list[Finding]:
    expiry = _expiry(token)
    if expiry is None:
        return [ok(_SUBJECT, "the token has the form of one")]
    if expiry <= clock.now():
        return [
            problem(
                _SUBJECT,
                f"the token expired on {expiry:%Y-%m-%d}",
                "create a new one in Hatchet and set HATCHET_CLIENT_TOKEN",
            )
        ]
    if expiry - clock.now() < _SOON:
        return [
            warning(
                _SUBJECT,
                f"the token expires on {expiry:%Y-%m-%d}",
                "create a new one in Hatchet before that day",
            )
        ]
    return [ok(_SUBJECT, f"the token is good until {expiry:%Y-%m-%d}")]


def _connection(options: HatchetOptions) -> Finding:
    address = options.address()
    found = probe_engine(options)
    match found.outcome:
        case "ok":
            return _version(found, address)
        case "refused_token":
            return problem(
                _SUBJECT,
                f"the engine at {address} refuses the token",
                "the token belongs to another engine or tenant, or was revoked: create a new one",
            )
        case "plaintext":
            return problem(
                _SUBJECT,
                f"the engine at {address} speaks no TLS",
                "set HATCHET_CLIENT_TLS_STRATEGY=none (only on a private network)",
            )
        case "tls":
            return problem(
                _SUBJECT,
                f"the engine at {address} wants TLS",
                "set HATCHET_CLIENT_TLS_STRATEGY=tls",
            )
        case "bad_certificate":
            return problem(
                _SUBJECT,
                f"the certificate of {address} is not trusted: {found.detail}",
                "set HATCHET_CLIENT_TLS_ROOT_CA_FILE to its authority, or "
                "HATCHET_CLIENT_TLS_SERVER_NAME to the name in it",
            )
        case _:
            return problem(
                _SUBJECT,
                f"nothing answers at {address}: {found.detail}",
                "check HATCHET_CLIENT_HOST_PORT and the network between",
            )


def _version(found: Probe, address: str) -> Finding:
    numbers = _numbers(found.detail)
    if numbers is not None and numbers < _OLDEST:
        return problem(
            _SUBJECT,
            f"Hatchet {found.detail} at {address} is too old",
            f"upgrade the engine to v{'.'.join(map(str, _OLDEST))} or newer",
        )
    return ok(_SUBJECT, f"Hatchet {found.detail or '(unknown version)'} answers at {address}")


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.lstrip("v").partition("-")[0].split(".")
    return tuple(int(part) for part in parts) if all(p.isdigit() for p in parts) else None


def _expiry(token: str) -> datetime | None:
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    expiry = claims.get("exp")
    if isinstance(expiry, bool) or not isinstance(expiry, int | float):
        return None
    return datetime.fromtimestamp(expiry, UTC)
