"""Finds the app a journey function was registered on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hogsend.errors import InvalidInput
from hogsend.journeys.meta import JourneyDefinition

if TYPE_CHECKING:
    from hogsend.app import App


def find_app(journey: Callable[..., Any] | str, app: App | None = None) -> tuple[App, str]:
    """The app and the id of a journey; raises InvalidInput when it cannot be found.

    A function is looked up on the apps its module knows, or on ``app``.
    """
    if isinstance(journey, str):
        if app is None:
            raise InvalidInput("name the journey by its function, or pass app=")
        if journey not in app.journeys:
            raise InvalidInput(
                f"the app has no journey {journey!r}", hint=f"known: {', '.join(app.journeys)}"
            )
        return app, journey
    for candidate in [app] if app is not None else _apps_near(journey):
        for definition in candidate.journeys.values():
            if definition.run is journey:
                return candidate, definition.meta.id
        problems = "\n".join(str(problem) for problem in candidate.problems)
        if problems:
            raise InvalidInput(f"the app has problems:\n{problems}")
    name = getattr(journey, "__name__", repr(journey))
    raise InvalidInput(
        f"{name} is not registered on an app",
        hint="decorate it with @app.journey(...) or pass app=",
    )


def definition_of(app: App, journey_id: str) -> JourneyDefinition:
    """The definition of a journey that is known to exist."""
    return app.journeys[journey_id]


def _apps_near(function: Callable[..., Any]) -> Iterator[App]:
    from hogsend.app import App

    module = sys.modules.get(getattr(function, "__module__", ""))
    for value in vars(module).values() if module is not None else ():
        if isinstance(value, App):
            yield value
