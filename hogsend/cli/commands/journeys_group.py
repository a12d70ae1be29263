"""``hogsend journeys``: the group; each command is a module of its own, imported when called."""

from __future__ import annotations

from hogsend.cli.lazy import LazyGroup

_HOME = "hogsend.cli.commands"
_OPERATE = f"{_HOME}.journeys_operate"
COMMANDS = {
    "list": (f"{_OPERATE}:list_", "Journeys, and how many people are in which state."),
    "why-not": (f"{_HOME}.journeys_why_not:why_not", "Which guard refused a person, and when."),
    "disable": (f"{_HOME}.journeys_switch:disable", "Let nobody in any more."),
    "enable": (f"{_HOME}.journeys_switch:enable", "Take that back."),
    "resume": (f"{_OPERATE}:resume", "Try failed enrollments again."),
    "skip-wait": (f"{_OPERATE}:skip_wait", "End open waits now."),
    "cancel": (f"{_OPERATE}:cancel", "End enrollments."),
    "plan": (f"{_HOME}.journeys_plan:plan", "Compare the code with the people now inside."),
    "simulate": (f"{_HOME}.journeys_simulate:simulate", "Play histories, show what happens."),
}

journeys = LazyGroup(
    name="journeys", lazy=COMMANDS, help="Look at journeys and at the people inside."
)
