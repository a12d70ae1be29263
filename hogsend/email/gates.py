"""What can stop a mail, in the order in which it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hogsend.email.models import SendRequest
from hogsend.email.policy import TRANSACTIONAL, SendPolicy
from hogsend.kernel.addresses import is_email
from hogsend.kernel.wire_json import JsonObject, JsonValue

Effect = Literal["suppressed", "failed", "skipped", "deferred"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """What gates look at.

    ``person`` is the recipient's address, ``category`` the effective one. ``window_opens_at`` and
    ``rate_allows_at`` are None when nothing has to wait.
    """

    request: SendRequest
    person: str
    category: str | None
    policy: SendPolicy
    is_test: bool = False
    test_inbox: str | None = None
    window_opens_at: datetime | None = None
    rate_allows_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGate:
    """``asks`` answers None when the gate does not apply.

    Otherwise the gate is asked by ``claim_send`` with these values, if the database knows its
    reason, and stops the mail when it does not: then Python has decided. ``effect``: a row
    (suppressed, failed), no row (skipped), or not now (deferred).
    """

    reason: str
    effect: Effect
    asks: Callable[[GateInput], JsonObject | None]


def _invalid_address(given: GateInput) -> JsonObject | None:
    return None if is_email(given.person) else {}


def _suppressed(given: GateInput) -> JsonObject | None:
    return None if given.request.skip_preference_check else _kept_refusals(given)


def _kept_refusals(given: GateInput) -> JsonObject:
    """What an erased person left behind blocks their address still."""
    hashes: list[JsonValue] = [*given.policy.refusal_hashes(given.person)]
    return {"hashes": hashes} if hashes else {}


def _unsubscribed(given: GateInput) -> JsonObject | None:
    # Leaving all mail does not cut off receipts and password resets; a suppressed address does.
    is_asked = not given.request.skip_preference_check and given.category != TRANSACTIONAL
    return _kept_refusals(given) if is_asked else None


def _category(given: GateInput) -> JsonObject | None:
    is_asked = not given.request.skip_preference_check and given.category != TRANSACTIONAL
    if given.category is None or not is_asked:
        return None
    return {"opt_in": given.policy.is_opt_in(given.category)}


def _control_group(given: GateInput) -> JsonObject | None:
    if given.request.skip_preference_check or given.category == TRANSACTIONAL:
        return None
    return {} if given.policy.in_control_group(given.request.user_id or given.person) else None


def _frequency_cap(given: GateInput) -> JsonObject | None:
    # The caller's category on purpose: a template's never changes who is capped.
    rule = given.policy.caps.rule_for(given.request.category)
    if given.request.skip_preference_check or rule is None:
        return None
    cap, category = rule
    return {"count": cap.count, "seconds": cap.window.total_seconds(), "category": category}


def _min_gap(given: GateInput) -> JsonObject | None:
    request = given.request
    if request.skip_preference_check or not request.min_gap or request.journey_id is None:
        return None
    return {"journey": request.journey_id, "seconds": request.min_gap.total_seconds()}


def _test_mode(given: GateInput) -> JsonObject | None:
    return {} if given.is_test and given.test_inbox is None else None


def _window(given: GateInput) -> JsonObject | None:
    is_exempt = given.request.skip_preference_check or given.category == TRANSACTIONAL
    return None if is_exempt or given.window_opens_at is None else {}


def _rate(given: GateInput) -> JsonObject | None:
    return None if given.rate_allows_at is None else {}


# The order is load-bearing. Before the list: attachments and template (they raise), and the
# idempotency key, which answers before any gate could judge a mail by its own earlier copy.
# Consent is asked for the person, not for the test inbox, and before test mode: a person who left
# is reported as such in both modes. A mail is only told to wait when it would go out otherwise.
GATES: tuple[SendGate, ...] = (
    SendGate(reason="invalid_address", effect="failed", asks=_invalid_address),
    SendGate(reason="suppressed", effect="suppressed", asks=_suppressed),
    SendGate(reason="unsubscribed", effect="suppressed", asks=_unsubscribed),
    SendGate(reason="category_unsubscribed", effect="suppressed", asks=_category),
    SendGate(reason="control_group", effect="skipped", asks=_control_group),
    SendGate(reason="frequency_capped", effect="skipped", asks=_frequency_cap),
    SendGate(reason="journey_suppressed", effect="skipped", asks=_min_gap),
    SendGate(reason="test_mode_blocked", effect="suppressed", asks=_test_mode),
    SendGate(reason="send_window", effect="deferred", asks=_window),
    SendGate(reason="rate_limited", effect="deferred", asks=_rate),
)


def applicable_gates(given: GateInput) -> list[JsonValue]:
    """The gates for ``claim_send``, in order: decided ones and those the database must ask."""
    found: list[JsonValue] = []
    for gate in GATES:
        values = gate.asks(given)
        if values is not None:
            found.append({"reason": gate.reason, "effect": gate.effect, **values})
    return found
