"""What is wrong only in combination: values that are fine alone and cannot work together."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from hogsend.settings.model import Settings

_SECRET_LENGTH = 32
_SERVERS = ("api", "worker")


def find_contradictions(settings: Settings) -> Iterator[str]:
    """One ``NAME: problem; remedy`` line for each contradiction of the mode at hand."""
    if settings.mode in (*_SERVERS, "supervisor"):
        yield from _check_secret(settings)
        yield from _check_engine(settings)
        yield from _check_redis(settings)
        yield from _check_mail(settings)


def _check_secret(settings: Settings) -> Iterator[str]:
    secret = settings.better_auth_secret
    if settings.is_production and secret and len(secret) < _SECRET_LENGTH:
        yield (
            f"BETTER_AUTH_SECRET: is too short for production; "
            f"use at least {_SECRET_LENGTH} characters, such as from: openssl rand -hex 32"
        )


def _check_engine(settings: Settings) -> Iterator[str]:
    if settings.orchestrator != "hatchet":
        if not settings.db_prepare and settings.mode != "api":
            yield (
                "HOGSEND_ORCHESTRATOR: local holds a lock in a session, which a transaction pooler "
                "does not keep; connect to PostgreSQL itself without HOGSEND_DB_PREPARE=false"
            )
        return
    token = settings.hatchet_client_token
    if token is None:
        yield (
            f"HATCHET_CLIENT_TOKEN: is required by {settings.mode}; set it to an API token of your "
            "Hatchet tenant, or set HOGSEND_ORCHESTRATOR=local to run without an engine"
        )
    elif not _is_hatchet_token(token):
        yield (
            "HATCHET_CLIENT_TOKEN: is not a Hatchet API token; "
            "paste the whole token (three parts joined by dots, starting with ey)"
        )
    yield from _check_certificates(settings)


def _check_certificates(settings: Settings) -> Iterator[str]:
    files: dict[str, Path | None] = {
        "HATCHET_CLIENT_TLS_CERT_FILE": settings.hatchet_client_tls_cert_file,
        "HATCHET_CLIENT_TLS_KEY_FILE": settings.hatchet_client_tls_key_file,
        "HATCHET_CLIENT_TLS_ROOT_CA_FILE": settings.hatchet_client_tls_root_ca_file,
    }
    for name, path in files.items():
        if path is not None and not path.is_file():
            yield f"{name}: there is no such file; name a readable PEM file"
        if path is None and settings.hatchet_client_tls_strategy == "mtls":
            yield f"{name}: is required by HATCHET_CLIENT_TLS_STRATEGY=mtls; name a PEM file"


def _check_redis(settings: Settings) -> Iterator[str]:
    if settings.require_redis and settings.mode in _SERVERS and not settings.is_set("REDIS_URL"):
        yield "REDIS_URL: is required by REQUIRE_REDIS=true; set it to a Redis URL"


def _check_mail(settings: Settings) -> Iterator[str]:
    if settings.smtp_password is not None and settings.smtp_user is None:
        yield "SMTP_USER: is required by SMTP_PASSWORD; set the user name"
    if settings.smtp_user is not None and settings.smtp_password is None:
        yield "SMTP_PASSWORD: is required by SMTP_USER; set the password"


def _is_hatchet_token(token: str) -> bool:
    """A JWT with a tenant (``sub``); its signature is the engine's business."""
    parts = token.split(".")
    if len(parts) != 3:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return False
    return isinstance(claims, dict) and bool(claims.get("sub"))
