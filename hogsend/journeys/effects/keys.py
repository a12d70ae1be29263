"""Names of effects: the same place of the same enrollment has the same key for ever."""

from __future__ import annotations

from hogsend.journeys.models import Step
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError


def site_of(passage: Passage, label: str | None, discriminant: str) -> str:
    """The label, else the last wait or checkpoint, else what is done."""
    return label or passage.site or discriminant


def step_key(passage: Passage, kind: str, site: str, discriminant: str) -> str:
    """The journal key of an effect; raises JourneyError when this replay used it already.

    Reusing it silently would drop the second effect.
    """
    key = f"{kind}:{site}:{discriminant}"
    if passage.journal.is_used(key):
        raise JourneyError(
            f"{discriminant!r} comes twice at the same place ({site!r})",
            hint="give each one a label of its own, for instance label=f'tip-{n}'",
        )
    return key


def find_effect(passage: Passage, kind: str, key: str, discriminant: str) -> Step | None:
    """What became of an effect, also when changed code has moved it behind another wait or
    checkpoint: that renames it, and under a new name it would happen a second time.

    What it is now is recorded, so that one old step answers for one new name only.
    """
    journal, moved = passage.journal, f"moved:{key}"
    known = journal.find(moved)
    if known is not None:
        return journal.adopt(str(known.value))
    step = passage.find(key)
    if step is not None or passage.drift is None:
        return step
    for site in (discriminant, *journal.labels("wait", "checkpoint")):
        old = f"{kind}:{site}:{discriminant}"
        step = journal.adopt(old)
        if step is not None:
            passage.keep(moved, "moved", old)
            return step
    return None
