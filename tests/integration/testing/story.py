"""What happened to everybody, in words that both worlds can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hogsend.db import Query
from hogsend.kernel.wire_json import JsonValue, stable_stringify
from hogsend.testing import World
from tests.integration.testing.database_world import DatabaseWorld

# Different in every world and every run.
_NAMES = frozenset({"sendId", "messageId", "eventId", "stateId"})

_STATES = Query.parse(
    "story_states",
    """SELECT s.user_id, s.journey_id, s.status, s.exit_reason, s.error_message, s.context,
              s.created_at, (SELECT coalesce(jsonb_agg(jsonb_build_array(p.key, p.kind, p.value)
                                                       ORDER BY p.seq), '[]')
                             FROM journey_steps p WHERE p.state_id = s.id),
              w.label, w.kind, w.due_at
       FROM journey_states s LEFT JOIN waits w ON w.state_id = s.id
       ORDER BY s.created_at, s.journey_id""",
)
_CAUSED = Query.parse(
    "story_caused",
    """SELECT k.external_id, e.event, e.properties FROM user_events e
       JOIN contacts k ON k.id = e.contact_id WHERE e.source = 'journey'
       ORDER BY e.received_at, e.id""",
)
_SKIPS = Query.parse("story_skips", "SELECT user_id, journey_id, reason, times FROM journey_skips")
_NOW = Query.parse("story_now", "SELECT now()")


@dataclass(frozen=True)
class Story:
    """Instants are whole minutes since the beginning: the database takes a moment for its work."""

    passages: list[dict[str, Any]]
    mails: list[tuple[Any, ...]]
    caused: list[tuple[Any, ...]]
    skips: dict[tuple[str, str, str], int]

    def sorted(self) -> Story:
        """What happens in the same minute may happen in any order."""
        return Story(
            passages=sorted(self.passages, key=lambda p: (p["at"], p["user"], p["journey"])),
            mails=sorted(self.mails, key=lambda m: (m[-1], *m[:2])),
            caused=sorted(self.caused, key=stable_stringify),
            skips=self.skips,
        )


def tell_memory(world: World, begin: datetime) -> Story:
    def minutes(at: datetime) -> int:
        return round((at - begin) / timedelta(minutes=1))

    return Story(
        passages=[
            {
                "user": p.person.user_id,
                "journey": p.journey_id,
                "status": p.status,
                "exit": p.exit_reason,
                "error": p.error,
                "at": minutes(p.created_at),
                "steps": [
                    (s.key, s.kind, _plain(s.value, minutes)) for s in p.steps
                ],
                "wait": p.wait and (p.wait.new.label, p.wait.new.kind, minutes(p.wait.new.due_at)),
            }
            for p in sorted(
                world.memory.passengers.values(), key=lambda p: (p.created_at, p.journey_id)
            )
        ],
        mails=[
            (m.user_id, m.template, m.journey_id, m.category, _plain(m.props, minutes),
             minutes(m.sent_at))
            for m in world.mailbox
        ],
        caused=[
            (e.person.user_id, e.name, _plain(e.properties, minutes))
            for e in world.memory.events
            if e.source == "journey"
        ],
        skips=Counter((person.user_id, j, reason) for j, person, reason in world.memory.skips),
    )  # fmt: skip


def tell_database(world: DatabaseWorld) -> Story:
    [(now,)] = world.db.run(_NOW)
    begin = now - world.elapsed

    def minutes(at: datetime) -> int:
        since: timedelta = at - begin
        return round(since / timedelta(minutes=1))

    return Story(
        passages=[
            {
                "user": user,
                "journey": journey,
                "status": status,
                "exit": reason,
                "error": error,
                "at": minutes(created_at),
                "steps": [(key, kind, _plain(value, minutes)) for key, kind, value in steps],
                "wait": label and (label, kind, minutes(due_at)),
            }
            for user, journey, status, reason, error, _, created_at, steps, label, kind, due_at
            in world.db.run(_STATES)
        ],
        mails=[
            (m.request.user_id, m.request.template, m.request.journey_id, m.request.category,
             _plain(m.request.props, minutes), round(m.after / timedelta(minutes=1)))
            for m in world.mails
        ],
        caused=[
            (user, event, _plain(properties, minutes))
            for user, event, properties in world.db.run(_CAUSED)
        ],
        skips={(user, j, reason): times for user, j, reason, times in world.db.run(_SKIPS)},
    )  # fmt: skip


def _plain(value: object, minutes: Any) -> JsonValue:
    """Without ids, and with instants as minutes."""
    if isinstance(value, Mapping):
        return {k: (v is not None) if k in _NAMES else _plain(v, minutes) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, minutes) for v in value]
    if isinstance(value, str) and len(value) >= 20 and value[10:11] == "T":
        return minutes(datetime.fromisoformat(value))  # type: ignore[no-any-return]  # an int
    return value  # type: ignore[return-value]  # what is left is a scalar
