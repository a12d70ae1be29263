"""Tokens and TLS files, checked before anything connects."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hogsend.errors import ConfigError
from hogsend.orchestrator.hatchet_options import HatchetOptions, find_expiry, read_claims

_CLAIMS = {"sub": "tenant", "server_url": "http://e:8080", "grpc_broadcast_address": "e:7070"}


def make_token(claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'ES256'})}.{part(claims)}.signature"


def test_read_claims_gives_where_the_engine_is() -> None:
    assert read_claims(make_token(_CLAIMS)) == _CLAIMS
    assert HatchetOptions(token=make_token(_CLAIMS)).address() == "e:7070"
    assert HatchetOptions(token=make_token(_CLAIMS), host_port="other:1").address() == "other:1"


@pytest.mark.parametrize(
    "token",
    ["", "ey", "eyA.b", "xx.yy.zz", "eyA.%%%.c", make_token([]), make_token({"sub": "t"})],
)
def test_check_bad_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigError, match="HATCHET_CLIENT_TOKEN is not") as refusal:
        HatchetOptions(token=token).check()

    assert len(token) < 3 or token not in str(refusal.value)


def test_options_repr_hides_the_token() -> None:
    token = make_token(_CLAIMS)

    assert token not in repr(HatchetOptions(token=token))


@pytest.mark.parametrize(
    ("claims", "expiry"),
    [
        ({"exp": 1_800_000_000}, datetime.fromtimestamp(1_800_000_000, UTC)),
        ({}, None),
        ({"exp": "soon"}, None),
        ({"exp": 1e300}, None),
    ],
)
def test_find_expiry_reads_exp(claims: dict[str, object], expiry: datetime | None) -> None:
    assert find_expiry(make_token(_CLAIMS | claims)) == expiry


def test_check_unknown_tls_strategy_is_refused() -> None:
    with pytest.raises(ConfigError, match="'maybe' is unknown"):
        HatchetOptions(token=make_token(_CLAIMS), tls_strategy="maybe").check()


def test_check_mutual_tls_needs_three_files_that_exist(tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.touch()
    token = make_token(_CLAIMS)
    complete = HatchetOptions(
        token=token,
        tls_strategy="mtls",
        tls_cert_file=there,
        tls_key_file=there,
        tls_root_ca_file=there,
    )

    complete.check()

    with pytest.raises(ConfigError, match="TLS_CERT_FILE is required"):
        HatchetOptions(token=token, tls_strategy="mtls").check()
    with pytest.raises(ConfigError, match="does not exist"):
        HatchetOptions(token=token, tls_root_ca_file=tmp_path / "missing.pem").check()
