"""The recorded steps of one enrollment during a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hogsend.journeys.models import ResolvedWait, Step
from hogsend.kernel.wire_json import JsonValue, iso_z


class Journal:
    """Answers recorded steps by key and collects new ones until they are stored.

    A key is ``kind:label``; the second use of a label in one enrollment is ``kind:label#2``. An
    author's own label of that form takes no key away from another: the next number is used.
    """

    def __init__(self, steps: Sequence[Step], wait: ResolvedWait | None) -> None:
        self._steps = {step.key: step for step in steps}
        self._stored = len(steps)
        self._fresh: list[Step] = []
        self._uses: Counter[str] = Counter()
        self._given_out: set[str] = set()
        self._visited: set[str] = set()
        self._adopted: set[str] = set()
        self._given: str | None = None
        if wait is not None and wait.key not in self._steps:
            self._given = wait.key
            self.add(Step(key=wait.key, kind=wait.kind, value=_outcome(wait)))

    @property
    def next_seq(self) -> int:
        """Position of the first step that is not stored."""
        return self._stored

    @property
    def is_volatile(self) -> bool:
        """True when a crash now could lose a step: the resolved wait is safe in its own row."""
        return any(step.key != self._given for step in self._fresh)

    @property
    def fresh(self) -> Sequence[Step]:
        """Steps that are not stored yet, in order."""
        return self._fresh

    def next_key(self, kind: str, label: str) -> str:
        """The key of the next use of a label."""
        base = f"{kind}:{label}"
        while True:
            self._uses[base] += 1
            uses = self._uses[base]
            key = base if uses == 1 else f"{base}#{uses}"
            if key not in self._given_out:
                self._given_out.add(key)
                return key

    def is_used(self, key: str) -> bool:
        """True when this replay has come past the key already, under its own name."""
        return key in self._visited and key not in self._adopted

    def find(self, key: str) -> Step | None:
        """The recorded step; marks the key as passed."""
        self._visited.add(key)
        return self._steps.get(key)

    def adopt(self, key: str) -> Step | None:
        """The recorded step of an effect that has another name by now; None when it was used."""
        step = self._steps.get(key)
        if step is None or key in self._visited:
            return None
        self._adopted.add(key)
        return self.find(key)

    def labels(self, *kinds: str) -> Iterator[str]:
        """Labels of the recorded waits, checkpoints and such."""
        return (k.partition(":")[2] for k, s in self._steps.items() if k.partition(":")[0] in kinds)

    def peek(self, key: str) -> Step | None:
        """The recorded step, without coming past it."""
        return self._steps.get(key)

    def find_unvisited(self) -> Step | None:
        """The first recorded step this replay has not come past, if there is one."""
        return next(self.unvisited(), None)

    def unvisited(self) -> Iterator[Step]:
        """Recorded steps this replay has not come past, in order."""
        return (s for k, s in self._steps.items() if k not in self._visited)

    def add(self, step: Step) -> None:
        """A new step; it is stored with the next flush or settle."""
        self._steps[step.key] = step
        self._fresh.append(step)

    def mark_stored(self, count: int) -> None:
        """The first ``count`` fresh steps are in the database now."""
        self._stored += count
        del self._fresh[:count]


def _outcome(wait: ResolvedWait) -> JsonValue:
    value: dict[str, JsonValue] = {
        **wait.value,
        "outcome": wait.outcome,
        "at": wait.resolved_at.isoformat(),
        "openedAt": iso_z(wait.opened_at),
    }
    if wait.event_id is not None:
        value["eventId"] = str(wait.event_id)
    return value
