from __future__ import annotations

import itertools

import pytest

from hogsend.email.outcome import decide
from hogsend.email.providers.base import ProviderDisputed
from hogsend.errors import (
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)

REJECTED = ProviderRejected("no")
TRANSIENT = ProviderTransient("later")
PERMANENT = ProviderPermanent("bad key")
UNKNOWN = ProviderUnknown("lost")
DISPUTED = ProviderDisputed("other body")


@pytest.mark.parametrize(
    ("error", "has_key", "uncertain", "recognised", "status", "keeps", "result"),
    [
        (REJECTED, True, False, True, "failed", False, "failed"),
        (REJECTED, False, False, False, "failed", False, "failed"),
        (REJECTED, True, True, True, "failed", True, "failed"),
        (TRANSIENT, True, False, False, "queued", False, None),
        (TRANSIENT, False, False, False, "failed", False, None),
        (TRANSIENT, True, True, True, "queued", True, None),
        (PERMANENT, True, False, False, "failed", False, None),
        (PERMANENT, True, True, True, "queued", True, None),
        (UNKNOWN, True, False, True, "queued", True, None),
        (UNKNOWN, True, False, False, "unknown", True, "unknown"),
        (UNKNOWN, False, False, True, "unknown", True, "unknown"),
        (DISPUTED, True, True, True, "unknown", True, "unknown"),
        (ProviderError("?"), True, False, True, "unknown", True, "unknown"),
    ],
)
def test_decide_table(
    error: ProviderError,
    has_key: bool,
    uncertain: bool,
    recognised: bool,
    status: str,
    keeps: bool,
    result: str | None,
) -> None:
    decision = decide(error, has_key=has_key, is_uncertain=uncertain, is_recognised=recognised)

    assert (decision.status, decision.keeps_hand_over, decision.result) == (status, keeps, result)


def test_decide_lost_answer_without_recognition_is_never_open_again() -> None:
    for error, has_key, uncertain in itertools.product(
        (UNKNOWN, DISPUTED), (True, False), (True, False)
    ):
        decision = decide(error, has_key=has_key, is_uncertain=uncertain, is_recognised=False)

        assert decision.status == "unknown"
        assert decision.keeps_hand_over
