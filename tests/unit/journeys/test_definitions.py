from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hogsend import App, Entry, Holdout, on
from hogsend.errors import ConfigError
from hogsend.journeys.checks import check_fields
from hogsend.journeys.meta import JourneyMeta

GOOD: dict[str, Any] = {"id": "a-b.c_1", "name": "A", "trigger": on("x")}


async def run(user: object, ctx: object) -> None:
    """A journey."""


def problems_of(**fields: Any) -> str:
    found = check_fields({**GOOD, **fields})
    return "\n".join(found) if isinstance(found, list) else ""


def test_declaration_has_the_defaults_of_the_contract() -> None:
    meta = check_fields(GOOD)

    assert isinstance(meta, JourneyMeta)
    assert (meta.enabled, meta.entry.kind, meta.exit_on, meta.min_gap, meta.holdout) == (
        True, "once", (), None, None,
    )  # fmt: skip
    assert (meta.mail_category, meta.on_drift) == ("journey", "continue")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": ""}, "id must be a text"),
        ({"id": "a b"}, "id must begin with"),
        ({"id": "x" * 101}, "id must begin with"),
        ({"id": None}, "id is missing"),
        ({"name": None}, "name is missing"),
        ({"trigger": None}, "trigger is missing"),
        ({"trigger": "user.created"}, 'trigger must be on("event name")'),
        ({"exit_on": on("x")}, "exit_on must be a list"),
        ({"exit_on": ["x"]}, "every entry of exit_on"),
        ({"entry": "once"}, "entry must be Entry.once()"),
        ({"entry": Entry("sometimes")}, "entry must be Entry.once()"),  # type: ignore[arg-type]
        ({"entry": Entry("once", timedelta(1))}, "only Entry.once_per(...) has a period"),
        ({"holdout": Holdout(percent=float("nan"))}, "between 0 and 50"),
        ({"holdout": Holdout(percent=True)}, "must be a number"),
        ({"holdout": Holdout(percent=5, salt=" ")}, "the salt of holdout must be a text"),
        ({"holdout": Holdout(percent=5, salt=7)}, "the salt of holdout must be a text"),  # type: ignore[arg-type]
        ({"entry": Entry.once_per(timedelta(0))}, "the period of entry must be longer than zero"),
        ({"entry": Entry.once_per(7)}, "the period of entry must be a timedelta"),  # type: ignore[arg-type]
        ({"min_gap": timedelta(0)}, "min_gap must be longer than zero; leave it out"),
        ({"holdout": 10}, "holdout must be Holdout(percent=...)"),
        ({"holdout": Holdout(percent=51)}, "between 0 and 50"),
        ({"holdout": Holdout(percent=-1)}, "between 0 and 50"),
        ({"version": "v" * 65}, "version is longer than 64"),
        ({"on_drift": "panic"}, "on_drift must be one of continue, finish_old, exit"),
        ({"enabled": "no"}, "enabled must be True or False"),
        ({"exitOn": []}, "unknown field 'exitOn' (did you mean 'exit_on'?)"),
        ({"priority": 1}, "unknown field 'priority'"),
    ],
)
def test_wrong_declaration_is_refused_with_the_reason(fields: dict[str, Any], problem: str) -> None:
    assert problem in problems_of(**fields)


def test_app_reports_every_problem_together_with_file_and_line() -> None:
    app = App(__name__)

    app.journey(id="one", name="", trigger=on("x"))(run)
    app.journey(id="two", name="Two", trigger=on("x"), min_gap=timedelta(-1))(run)
    app.journey(id="ok", name="Ok", trigger=on("x"))(run)
    app.journey(id="OK", name="Ok", trigger=on("x"))(run)
    with pytest.raises(ConfigError) as caught:
        app.check()

    lines = caught.value.message.splitlines()[1:]
    place = f"{__file__}:{run.__code__.co_firstlineno}"
    assert [line.removeprefix(f"{place}: ").split(":")[0] for line in lines] == [
        "journey 'one'", "journey 'two'", "journey 'OK'",
    ]  # fmt: skip
    assert list(app.journeys) == ["ok"]
    assert "the id is taken by 'ok' at" in lines[2]


def test_id_of_a_journey_that_is_wrong_is_taken_all_the_same() -> None:
    app = App(__name__)

    app.journey(id="same", name="", trigger=on("x"))(run)
    app.journey(id="same", name="Same", trigger=on("x"))(run)

    assert [p.message.partition(": ")[2].partition(" at ")[0] for p in app.problems] == [
        "name must be a text that is not empty", "the id is taken by 'same'",
    ]  # fmt: skip


def test_journey_must_be_an_async_function_of_two_arguments() -> None:
    app = App(__name__)

    def blocking(user: object, ctx: object) -> None: ...

    async def lonely(user: object) -> None: ...

    app.journey(id="a", name="A", trigger=on("x"))(blocking)  # type: ignore[type-var]
    app.journey(id="b", name="B", trigger=on("x"))(lonely)  # type: ignore[type-var]

    assert ["async function" in p.message or "two arguments" in p.message
            for p in app.problems] == [True, True]  # fmt: skip
    assert app.journeys == {}


def test_decorated_function_stays_what_it_was() -> None:
    app = App(__name__)

    assert app.journey(id="a", name="A", trigger=on("x"))(run) is run


def test_spec_of_a_journey_is_what_the_database_needs() -> None:
    app = App(__name__)
    app.journey(
        id="a",
        name="A",
        trigger=on("x"),
        entry=Entry.once_per(timedelta(days=2)),
        exit_on=[on("y")],
        holdout=Holdout(percent=5),
    )(run)

    spec = app.journeys["a"].to_spec()

    assert spec | {"version_hash": None} == {
        "name": "A",
        "enabled": True,
        "entry": "once_per_period",
        "period_seconds": 172800.0,
        "where": None,
        "exits": [{"event": "y", "where": None}],
        "holdout_percent": 5,
        "holdout_salt": "a",
        "version_hash": None,
        "version_label": None,
    }


def test_category_must_be_a_list_or_a_reserved_one() -> None:
    app = App(__name__)
    app.journey(id="a", name="A", trigger=on("x"), category="product-update")(run)
    app.journey(id="b", name="B", trigger=on("x"), category="transactional")(run)
    app.journey(id="c", name="C", trigger=on("x"), category="product-updates")(run)

    app.list("product-updates", name="Product updates")  # the order of definition is free

    (problem,) = app.problems
    assert "journey 'a': no list is called 'product-update'" in problem.message
    assert "did you mean 'product-updates'?" in problem.message
    with pytest.raises(ConfigError):
        app.check()
