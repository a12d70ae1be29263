"""The fingerprint changes with behaviour and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hogsend import Entry, Holdout, on, prop
from hogsend.journeys.meta import JourneyMeta
from hogsend.journeys.meta_json import meta_to_json
from hogsend.journeys.version import find_body, fingerprint, hash_of, normalise
from hogsend.kernel.wire_json import JsonObject

_META: JsonObject = {
    "id": "golden-journey",
    "name": "Golden Journey",
    "enabled": True,
    "trigger": {"event": "user.created"},
    "entryLimit": "once",
    "suppress": {"hours": 24},
}

_DECLARED = JourneyMeta(
    id="golden-journey",
    name="Golden Journey",
    trigger=on("user.created"),
    entry=Entry.once(),
    min_gap=timedelta(days=1),
)

_PLAIN = """
@app.journey(id="x")
async def journey(user, ctx):
    arms = ["a", "b"]
    if await ctx.wait_for("x", timeout=timedelta(days=1)) and user.properties.get("n", 0) > 1:
        await ctx.send_email(f"mail-{arms[0]}", props={"long": "one two"})
"""

_DRESSED_UP = '''
@app.journey(id="y", name="another decorator")
async def renamed(user: User, ctx: Context) -> None:
    """What it is for."""
    arms = [
        'a',  # the first
        'b',
    ]
    if (
        await ctx.wait_for(
            "x",
            timeout=timedelta(days=1),
        )
        and (user.properties.get("n", 0) > 1)
    ):
        "an old comment"
        await ctx.send_email(f'mail-{arms[0]}', props={"long": "one "
                                                               "two"})
'''


def test_fingerprint_without_body_equals_the_frozen_vector() -> None:
    assert fingerprint("hsv1", "", _META) == "8823399b83eb"


def test_fingerprint_of_python_code_is_frozen() -> None:
    # Recorded with CPython 3.11; another interpreter must agree, or every journey drifts.
    assert fingerprint("hspy1", normalise(_PLAIN) or "", _META) == "e1d9316105cf"


def test_fingerprint_ignores_comments_layout_quotes_and_the_name() -> None:
    assert normalise(_DRESSED_UP) == normalise(_PLAIN)


@pytest.mark.parametrize("key", ["name", "description", "enabled", "version", "versionHash"])
def test_fingerprint_ignores_labels(key: str) -> None:
    assert fingerprint("hsv1", "", {**_META, key: "changed"}) == "8823399b83eb"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("days=1", "days=2"),
        ("> 1", ">= 1"),
        ('"x"', '"y"'),
        ('"one two"', '"one  two"'),
        ('"a", "b"', '"b", "a"'),
        ("> 1", "> True"),
        ("> 1", "> 1.0"),
        (" and ", " or "),
        ('["a", "b"]', '("a", "b")'),
        ("if await", "if not await"),
        ("mail-{arms[0]}", "mail-{arms[0]!r}"),
        ("        await ctx.send", "        pass\n    await ctx.send"),
    ],
)
def test_fingerprint_changes_with_the_code(before: str, after: str) -> None:
    head, found, tail = _PLAIN.partition("async def")
    changed = head + found + tail.replace(before, after, 1)

    assert changed != _PLAIN
    assert normalise(changed) not in (None, normalise(_PLAIN))


def test_fingerprint_changes_with_the_meta() -> None:
    assert fingerprint("hsv1", "", {**_META, "entryLimit": "unlimited"}) != "8823399b83eb"


def test_body_of_a_nested_function_with_an_outdented_text_is_read() -> None:
    async def journey(user: Any, ctx: Any) -> None:
        await ctx.send_email(
            """first
second"""
        )

    body = find_body(journey)

    assert body is not None
    assert "second" in body


def test_body_of_a_decorator_on_an_inner_function_counts() -> None:
    inner = "async def j(user, ctx):\n    {}def g(): return 1\n    return g()\n"

    assert normalise(inner.format("")) != normalise(inner.format("@cache\n    "))


def test_version_of_a_function_without_source_is_that_of_an_empty_body() -> None:
    namespace: dict[str, Callable[..., Any]] = {}
    exec("async def journey(user, ctx): pass", namespace)  # has no source file

    assert find_body(namespace["journey"]) is None
    assert hash_of(_DECLARED, namespace["journey"]) == fingerprint("hspy1", "", _META)


def test_normalised_text_without_a_function_is_none() -> None:
    assert normalise("x = 1") is None
    assert normalise("this is not python") is None


def test_declaration_in_python_has_the_stored_form_of_the_vector() -> None:
    assert meta_to_json(_DECLARED) == _META


def test_declaration_with_everything_is_stored_in_the_names_of_the_api() -> None:
    declared = JourneyMeta(
        id="j",
        name="J",
        description="What for",
        enabled=False,
        trigger=on("a").where(prop("n") > 1),
        entry=Entry.once_per(timedelta(days=7)),
        exit_on=(on("b"), on("c").where(prop("x").exists())),
        holdout=Holdout(percent=10, salt="s"),
        category="news",
        goal="revenue",
        version="v2",
    )

    assert meta_to_json(declared) == {
        "id": "j",
        "name": "J",
        "description": "What for",
        "enabled": False,
        "trigger": {
            "event": "a",
            "where": [{"type": "property", "property": "n", "operator": "gt", "value": 1}],
        },
        "entryLimit": "once_per_period",
        "entryPeriod": {"hours": 168},
        "exitOn": [
            {"event": "b"},
            {
                "event": "c",
                "where": [{"type": "property", "property": "x", "operator": "exists"}],
            },
        ],
        "suppress": {},
        "holdout": {"percent": 10, "salt": "s"},
        "category": "news",
        "goal": "revenue",
        "version": "v2",
    }
