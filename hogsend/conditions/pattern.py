"""Which events: a name, and what must hold for their properties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hogsend.conditions.model import Condition, PropertyCondition, leaves
from hogsend.errors import InvalidInput


class Where(tuple[Condition, ...]):
    """The conditions of a pattern, all of which must hold; called, it makes a narrower pattern.

    It is both because ``on("x")`` is a pattern and ``on("x").where(...)`` is one as well.
    """

    event: str

    def __new__(cls, event: str, conditions: Iterable[Condition] = ()) -> Where:
        """A tuple that remembers which event it narrows."""
        where = super().__new__(cls, tuple(conditions))
        where.event = event
        return where

    def __getnewargs__(self) -> tuple[str, tuple[Condition, ...]]:
        # Without this, copying would rebuild the tuple without its event.
        return (self.event, tuple(self))

    def __call__(self, *conditions: Condition) -> EventPattern:
        """The same event with these conditions added; only property conditions are taken."""
        if not conditions:
            raise InvalidInput(f"on({self.event!r}).where() needs at least one condition")
        for condition in conditions:
            if not isinstance(condition, Condition):
                raise InvalidInput(
                    f"on({self.event!r}).where() takes conditions, not {type(condition).__name__}",
                    hint="write a comparison, such as prop('plan') == 'pro'",
                )
            if not all(isinstance(leaf, PropertyCondition) for leaf in leaves(condition)):
                raise InvalidInput(
                    f"on({self.event!r}).where() looks at the properties of that event only",
                    hint="ask about the past inside the journey, with ctx.history",
                )
        return EventPattern(event=self.event, where=Where(self.event, (*self, *conditions)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPattern:
    """Events of one exact name whose properties meet every condition of ``where``."""

    event: str
    where: Where


def on(event: str) -> EventPattern:
    """Events of that name, whatever their properties; narrow it with ``.where(...)``."""
    if not isinstance(event, str) or not event.strip():
        raise InvalidInput("on() needs the exact name of an event")
    return EventPattern(event=event, where=Where(event))
