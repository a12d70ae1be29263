"""Inputs that no engine stores."""

from __future__ import annotations

import pytest

from hogsend.kernel.wire_json import JsonObject
from hogsend.orchestrator.checks import MAX_RUN_BYTES, encode_inputs
from hogsend.orchestrator.port import RunRefused, RunRequest


@pytest.mark.parametrize(
    "poison",
    [
        {"a": "x\x00y"},
        {"a": [{"b\x00": 1}]},
        {"a": "x" * (MAX_RUN_BYTES + 1)},
        {"a": "\u00e9" * (MAX_RUN_BYTES // 2 + 1)},
        {"a": "\ud800"},
    ],
    ids=["nul", "nul-in-key", "large", "large-utf8", "surrogate"],
)
def test_encode_inputs_poison_names_its_index(poison: JsonObject) -> None:
    runs = [RunRequest(task="t", input={}), RunRequest(task="t", input=poison)]

    with pytest.raises(RunRefused) as refusal:
        encode_inputs(runs)

    assert refusal.value.index == 1


def test_encode_inputs_escaped_text_that_looks_like_nul_passes() -> None:
    runs = [RunRequest(task="t", input={"a": "\\u0000"})]

    texts = encode_inputs(runs)

    assert texts == ['{"a":"\\\\u0000"}']
