"""A worker that starts says when its token will end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from hogsend.kernel.clock import VirtualClock
from hogsend.orchestrator.hatchet import HatchetOrchestrator
from hogsend.orchestrator.hatchet_options import HatchetOptions
from tests.unit.orchestrator.test_hatchet_options import _CLAIMS, make_token

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("days", "warnings"), [(90, 0), (13, 1), (-1, 1)])
def test_warn_of_expiry_two_weeks_before_the_end(days: int, warnings: int) -> None:
    expiry = _NOW + timedelta(days=days)
    token = make_token(_CLAIMS | {"exp": expiry.timestamp()})
    with capture_logs() as logs:
        orchestrator = HatchetOrchestrator(
            HatchetOptions(token=token, tls_strategy="none"), clock=VirtualClock(_NOW)
        )

        orchestrator._warn_of_expiry()

    told = [entry for entry in logs if entry["event"] == "engine.token_expires"]
    assert len(told) == warnings
    assert all(entry["expires_at"] == expiry.isoformat() for entry in told)
    orchestrator.close()
