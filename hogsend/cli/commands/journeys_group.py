"""``hogsend journeys``: the group; each command is a module of its own, imported when called."""

from __future__ import annotations

from hogsend.cli.lazy import LazyGroup

_HOME = "hogsend.cli.commands"
COMMANDS = {
    "plan": (f"{_HOME}.journeys_plan:plan", "Compare the code with the people now inside."),
    "simulate": (f"{_HOME}.journeys_simulate:simulate", "Play histories, show what happens."),
}

journeys = LazyGroup(
    name="journeys", lazy=COMMANDS, help="Look at journeys and at the people inside."
)
