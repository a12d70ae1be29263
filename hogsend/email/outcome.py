"""What becomes of a mail the provider did not say yes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hogsend.errors import ProviderError, ProviderPermanent, ProviderRejected, ProviderTransient


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``status`` goes to the ledger; ``result`` to the caller, None raises the error instead.

    ``keeps_hand_over`` false: nothing was accepted, so the row may be driven again by the same key.
    """

    status: Literal["queued", "failed", "unknown"]
    keeps_hand_over: bool
    result: Literal["failed", "unknown"] | None = None


def decide(
    error: ProviderError, *, has_key: bool, is_uncertain: bool, is_recognised: bool
) -> Decision:
    """The rule that never sends twice and never gives up what can still be sent.

    ``has_key``: the caller can come back. ``is_uncertain``: an earlier try was never answered.
    ``is_recognised``: the provider would recognise a repetition.
    """
    if isinstance(error, ProviderRejected):
        # Nothing was accepted, so the key is free again; unless an earlier try may have been.
        return Decision(status="failed", keeps_hand_over=is_uncertain, result="failed")
    if isinstance(error, ProviderTransient | ProviderPermanent):
        if is_uncertain:
            # This try was refused, the earlier one may still have been accepted.
            return Decision(status="queued", keeps_hand_over=True)
        is_open = has_key and isinstance(error, ProviderTransient)
        return Decision(status="queued" if is_open else "failed", keeps_hand_over=False)
    if error.is_retryable and has_key and is_recognised:
        return Decision(status="queued", keeps_hand_over=True)
    return Decision(status="unknown", keeps_hand_over=True, result="unknown")
