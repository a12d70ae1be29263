"""What the compiled text looks like; that it is right is for the integration tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hogsend.conditions.builder import event, mail, prop
from hogsend.conditions.sql import compile_condition

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_compiled_text_depends_on_the_shape_only() -> None:
    one = compile_condition(
        (prop("a") == 1) & (event("x").within(timedelta(days=1)).count() >= 2), now=NOW
    )
    other = compile_condition(
        (prop("'; DROP TABLE contacts; --") == "z")
        & (event("y").within(timedelta(days=9)).count() >= 7),
        now=NOW,
    )

    assert one.sql == other.sql
    assert one.params != other.params
    assert list(one.params) == ["c0", "c1", "c2", "c3", "c4"]


def test_compiled_equality_asks_the_index_over_the_bag() -> None:
    compiled = compile_condition(prop("plan") == "pro", now=NOW)

    assert compiled.sql == "((k.properties @> CAST(:c0 AS jsonb)))"
    assert compiled.params == {"c0": '{"plan":"pro"}'}


def test_compiled_window_is_an_instant() -> None:
    compiled = compile_condition(event("x").within(timedelta(days=2)).exists(), now=NOW)

    assert compiled.params == {"c0": "x", "c1": datetime(2026, 5, 30, tzinfo=UTC)}


def test_compiled_list_holds_when_it_is_empty() -> None:
    compiled = compile_condition([], now=NOW)

    assert (compiled.sql, compiled.params) == ("(true)", {})


def test_compiled_expressions_with_prefixes_do_not_share_parameters() -> None:
    one = compile_condition(mail("t").opened(), now=NOW, prefix="p")

    assert list(one.params) == ["p0"]
