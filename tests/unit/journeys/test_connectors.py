"""Declaring systems outside: what is taken, and what is refused with file and line."""

from __future__ import annotations

from typing import Any

import pytest

from hogsend.app import App
from hogsend.errors import ConfigError


def post(call: Any) -> None:
    """An action."""


async def post_later(call: Any) -> None:
    """No action: it would never run."""


def test_connector_of_functions_has_their_names_as_actions() -> None:
    app = App("app")

    app.connector("chat", post=post)

    app.check()
    assert app.connectors["chat"].actions == {"post"}


@pytest.mark.parametrize(
    ("name", "actions", "problem"),
    [
        ("", {"post": post}, "needs a name"),
        ("chat", {}, "needs actions"),
        ("chat", {"post": "post"}, "post must be a function, not str"),
        ("chat", {"post": post_later}, "post must be a plain function"),
    ],
)
def test_connector_that_cannot_work_is_a_problem_with_its_line(
    name: str, actions: dict[str, Any], problem: str
) -> None:
    app = App("app")

    app.connector(name, **actions)

    with pytest.raises(ConfigError) as failed:
        app.check()
    assert f"{__file__}:" in str(failed.value)
    assert f"connector {name!r}: {problem}" in str(failed.value)
    assert app.connectors == {}


def test_connector_declared_twice_is_a_problem() -> None:
    app = App("app")
    app.connector("chat", post=post)

    app.connector("chat", post=post)

    assert "connector 'chat': the name is taken" in str(app.problems[0])
