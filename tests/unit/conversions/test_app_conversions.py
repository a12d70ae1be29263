from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from hogsend import App, on, prop
from hogsend.errors import ConfigError
from hogsend.examples.classic import app as classic
from hogsend.journeys.content import load_content
from hogsend.settings import load


async def run(user: object, ctx: object) -> None:
    """A journey."""


def app_with_goal(goal: str) -> App:
    app = App("shop")
    app.journey(id="a", name="A", trigger=on("x"), goal=goal)(run)
    return app


def test_app_reports_every_bad_conversion_with_its_line() -> None:
    app = App("shop")
    wrong: Any = "yes"
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno + 1
    app.conversion(id="not ok", trigger=wrong, value=wrong)
    app.conversion(id="paid", trigger=on("order.completed"))
    app.conversion(id="Paid", trigger=on("order.completed"))
    app.list("not ok", name="")

    with pytest.raises(ConfigError) as caught:
        app.check()

    lines = caught.value.message.splitlines()[1:]
    assert [one.split(": ")[1] for one in lines] == [
        *["conversion 'not ok'"] * 3, "conversion 'Paid'", *["list 'not ok'"] * 2,
    ]  # fmt: skip
    assert lines[0].startswith(f"{__file__}:{line}: conversion 'not ok': id must begin with")
    assert "the id is taken" in lines[3]
    assert [found.id for found in app.conversions] == ["paid"]


def test_goal_may_be_a_conversion_defined_later_or_the_built_in_one() -> None:
    app = app_with_goal("paid")
    app.journey(id="b", name="B", trigger=on("x"), goal="revenue")(run)

    app.conversion(id="paid", trigger=on("order.completed"))

    app.check()


def test_goal_that_is_no_conversion_is_refused_with_the_known_ones() -> None:
    app = app_with_goal("payed")
    app.conversion(id="paid", trigger=on("order.completed"))

    with pytest.raises(ConfigError) as caught:
        app.check()

    place = f"{__file__}:{run.__code__.co_firstlineno}"
    assert caught.value.message.splitlines()[1:] == [
        f"{place}: journey 'a': no conversion is called 'payed' (did you mean 'paid'?); "
        "known: paid, revenue"
    ]


def test_revenue_is_no_goal_where_it_is_switched_off_unless_the_content_defines_it() -> None:
    app = app_with_goal("revenue")

    with pytest.raises(ConfigError, match="no conversion is called 'revenue'; known: none"):
        app.check(default_revenue=False)
    app.conversion(id="revenue", trigger=on("*").where(prop("value") > 0), sources=["api"])
    app.check(default_revenue=False)


def test_content_of_a_process_is_checked_as_its_settings_say(tmp_path: Path) -> None:
    (tmp_path / "goal_content.py").write_text(
        "from hogsend import App, on\napp = App(__name__)\n"
        "@app.journey(id='a', name='A', trigger=on('x'), goal='revenue')\n"
        "async def a(user, ctx): ...\n"
    )
    environ = {"HOGSEND_APP": "goal_content:app", "HOGSEND_CONTENT_DIR": str(tmp_path)}

    assert list(load_content(load(environ, mode="cli")).journeys) == ["a"]
    with pytest.raises(ConfigError, match=r"goal_content\.py:3: journey 'a': no conversion"):
        load_content(load(environ | {"HOGSEND_DEFAULT_REVENUE_CONVERSION": "false"}, mode="cli"))


def test_example_has_revenue_for_a_goal() -> None:
    goals = {journey.meta.goal for journey in classic.journeys.values()} - {None}

    assert goals == {"revenue"}
    classic.check()
