"""What can stop a mail, in the order in which it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hogsend.kernel.addresses import is_email
from hogsend.kernel.wire_json import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """What gates outside the database look at."""

    to: str
    is_test: bool
    test_inbox: str | None
    skip_preference_check: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGate:
    """``stops`` None: ``claim_send`` decides by ``reason``. ``status`` is what the ledger keeps."""

    reason: str
    status: Literal["suppressed", "failed"] = "suppressed"
    is_preference: bool = False
    stops: Callable[[GateInput], bool] | None = None


def _is_unaddressable(given: GateInput) -> bool:
    return not is_email(given.to)


def _has_no_test_inbox(given: GateInput) -> bool:
    return given.is_test and given.test_inbox is None


# Consent is always asked for the person, not for the test inbox, and before test mode: a person
# who left is reported as such in both modes. A suppressed address outranks any preference.
GATES: tuple[SendGate, ...] = (
    SendGate(reason="invalid_address", status="failed", stops=_is_unaddressable),
    SendGate(reason="suppressed", is_preference=True),
    SendGate(reason="unsubscribed", is_preference=True),
    SendGate(reason="category_unsubscribed", is_preference=True),
    SendGate(reason="test_mode_blocked", stops=_has_no_test_inbox),
)


def applicable_gates(given: GateInput) -> list[JsonValue]:
    """The gates for ``claim_send``: those that already stop the mail and those it must ask."""
    return [
        {"reason": gate.reason, "status": gate.status}
        for gate in GATES
        if not (gate.is_preference and given.skip_preference_check)
        and (gate.stops is None or gate.stops(given))
    ]
