"""What the worker can tell of a journey's code before it runs: named with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hogsend import App, on
from hogsend.journeys.runtime.scan import scan
from tests.unit.journeys import impure

SOURCE = Path(impure.__file__).read_text().splitlines()


def scanned(function: Callable[..., Any]) -> list[tuple[str, str, str]]:
    app = App(__name__)
    app.journey(id="j", name="J", trigger=on("x"))(function)
    return [(p.kind, p.place, p.message) for p in scan(app.journeys["j"])]


def marked_line(function: Callable[..., Any]) -> str:
    first = function.__code__.co_firstlineno
    number = next(n for n, line in enumerate(SOURCE[first - 1 :], start=first) if "# here" in line)
    return f"{impure.__file__}:{number}"


@pytest.mark.parametrize(
    ("function", "kind", "call"),
    [
        (impure.clock, "clock", "time.time()"),
        (impure.date, "clock", "date.today()"),
        (impure.clock_of_its_own_import, "clock", "time.monotonic()"),
        (impure.dice, "randomness", "random()"),
        (impure.named_dice, "randomness", "random.choice()"),
        (impure.unseeded, "randomness", "random.Random() without a seed"),
        (impure.ids, "randomness", "uuid.uuid4()"),
        (impure.tokens, "randomness", "secrets.token_hex()"),
        (impure.bytes_of_the_machine, "randomness", "urandom()"),
        (impure.real_sleep, "blocking", "time.sleep()"),
        (impure.asyncio_sleep, "blocking", "asyncio.sleep()"),
    ],
)
def test_call_past_the_context_is_found_with_its_line(
    function: Callable[..., Any], kind: str, call: str
) -> None:
    [(found, place, message)] = scanned(function)

    assert (found, place) == (kind, marked_line(function))
    assert message.startswith(f"calls {call}; use ")


def test_call_in_a_helper_is_found_where_it_stands() -> None:
    [(kind, place, _)] = scanned(impure.clock_in_a_helper)

    assert (kind, place) == ("clock", marked_line(impure.stamp))


def test_code_that_can_be_replayed_is_not_suspected() -> None:
    assert scanned(impure.fine) == []


def test_function_without_source_is_left_alone() -> None:
    names: dict[str, Any] = {}
    exec("async def unreadable(user, ctx): pass", names)

    with capture_logs() as logs:
        assert scanned(names["unreadable"]) == []
    assert logs == []
