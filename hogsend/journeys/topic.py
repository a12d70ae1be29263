"""Ships due advances to the engine, in batches per journey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from hogsend.journeys.registry import JourneyRegistry
from hogsend.kernel.wire_json import JsonValue
from hogsend.orchestrator.port import (
    OrchestratorUnavailable,
    Priority,
    RunRefused,
    RunRequest,
    Submitter,
)
from hogsend.outbox import Delivery, Held, OutboxRow, Park, Retry

TOPIC: Final = "journey.advance"

_UNKNOWN_JOURNEY = timedelta(seconds=30)
_ENGINE_AWAY = timedelta(seconds=1)
_SUSPECT_AFTER = 3
"""Deliveries without an orderly end after which a row travels alone."""
_POISON_AFTER = 20


def task_name(journey_id: str) -> str:
    """The engine's name for a journey; a wire fact."""
    return f"journey-{journey_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyTopic:
    """TopicHandler of ``journey.advance``: one engine run for up to ``batch`` enrollments.

    Rows of journeys that do not run here are put off: during a deploy another worker may know
    them. A row that keeps killing its executor travels alone and is parked in the end.
    """

    registry: JourneyRegistry
    submitter: Submitter
    batch: int
    topic: str = TOPIC

    def deliver(self, rows: Sequence[OutboxRow]) -> list[Delivery]:
        """See TopicHandler."""
        outcomes: dict[int, Delivery] = {}
        groups: dict[tuple[str, bool, int], list[OutboxRow]] = {}
        for row in rows:
            journey_id = str(row.payload.get("journey"))
            if row.attempts > _POISON_AFTER:
                outcomes[row.id] = Park("its executor died or never answered again and again")
            elif self.registry.find(journey_id) is None:
                outcomes[row.id] = Retry(
                    after=_UNKNOWN_JOURNEY, error=f"journey {journey_id!r} does not run here"
                )
            else:
                alone = row.id if row.attempts > _SUSPECT_AFTER else 0
                # Starts lock people, wakes lock enrollments: together they could lock in a circle.
                starts = row.ref_id is None
                groups.setdefault((journey_id, starts, alone), []).append(row)
        batches = [
            group[start : start + self.batch]
            for group in groups.values()
            for start in range(0, len(group), self.batch)
        ]
        self._submit(batches, outcomes)
        return [outcomes[row.id] for row in rows]

    def _submit(
        self, batches: Sequence[Sequence[OutboxRow]], outcomes: dict[int, Delivery]
    ) -> None:
        if not batches:
            return
        outcome: Delivery = Held()
        try:
            self.submitter.submit([_to_run(batch) for batch in batches])
        except OrchestratorUnavailable as error:
            outcome = Retry(after=_ENGINE_AWAY, error=error.message)
        except RunRefused as error:
            self._isolate(batches, error, outcomes)
            return
        for batch in batches:
            outcomes.update({row.id: outcome for row in batch})

    def _isolate(
        self,
        batches: Sequence[Sequence[OutboxRow]],
        error: RunRefused,
        outcomes: dict[int, Delivery],
    ) -> None:
        """Submit the others, and the refused batch in halves until its poison is alone."""
        refused = batches[error.index]
        self._submit([b for n, b in enumerate(batches) if n != error.index], outcomes)
        if len(refused) == 1:
            structlog.get_logger().error(
                "journey.run_refused", outbox_id=refused[0].id, error=error.message
            )
            outcomes[refused[0].id] = Park(error.message)
            return
        middle = len(refused) // 2
        self._submit([refused[:middle]], outcomes)
        self._submit([refused[middle:]], outcomes)


def _to_run(rows: Sequence[OutboxRow]) -> RunRequest:
    journey_id = str(rows[0].payload["journey"])
    items: list[JsonValue] = [
        {
            "outbox": row.id,
            "state": str(row.ref_id) if row.ref_id else None,
            "event": row.payload.get("event"),
        }
        for row in rows
    ]
    return RunRequest(
        task=task_name(journey_id),
        input={"items": items},
        priority=Priority(max(row.priority for row in rows)),
        metadata={
            "journey": journey_id,
            "enrollments": str(len(rows)),
            "outbox": str(rows[0].id),
        },
    )
