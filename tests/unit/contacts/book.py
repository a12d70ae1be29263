"""People in memory: what ``hogsend.contacts.write`` does in PostgreSQL, for the pure rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hogsend.contacts.models import Candidate, KeyKind, Keys, Policy
from hogsend.contacts.resolve import Decision, Write, decide

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def person(
    number: int,
    *,
    external: str | None = None,
    email: str | None = None,
    anonymous: str | None = None,
    discord: str | None = None,
    named_by: str = "",
    keyed_by: str = "",
    age_days: int = 0,
) -> Candidate:
    """Somebody with the row id ``number``; the higher ``age_days``, the earlier first seen."""
    return Candidate(
        id=UUID(int=number),
        external_id=external,
        email=email,
        anonymous_id=anonymous,
        discord_id=discord,
        first_seen_at=EPOCH - timedelta(days=age_days),
        named_by=frozenset(KeyKind(kind) for kind in named_by.split()),
        keyed_by=frozenset(KeyKind(kind) for kind in keyed_by.split()),
    )


@dataclass
class Book:
    """Living people and the aliases of every key."""

    people: dict[UUID, Candidate] = field(default_factory=dict)
    aliases: dict[tuple[KeyKind, str], UUID] = field(default_factory=dict)
    made: int = 0

    def find(self, kind: KeyKind, value: str) -> UUID | None:
        """As ``hogsend.find_contact_v1``."""
        if (kind, value) in self.aliases:
            return self.aliases[kind, value]
        for one in self.people.values():
            is_nameless = kind == KeyKind.EXTERNAL and one.external_id is None
            if is_nameless and value in (one.anonymous_id, str(one.id)):
                return one.id
        return None

    def resolve(self, keys: Keys, policy: Policy | None = None) -> Decision:
        """Load, decide, write."""
        decision = decide(keys, self._load(keys), policy or Policy())
        if isinstance(decision, Write):
            self._write(decision)
        return decision

    def partition(self) -> set[frozenset[tuple[str, str]]]:
        """Which keys name the same person."""
        groups: dict[UUID, set[tuple[str, str]]] = {}
        for (kind, value), owner in self.aliases.items():
            groups.setdefault(owner, set()).add((kind.value, value))
        return {frozenset(group) for group in groups.values()}

    def _load(self, keys: Keys) -> list[Candidate]:
        named: dict[UUID, set[KeyKind]] = {}
        keyed: dict[UUID, set[KeyKind]] = {}
        for kind, value in keys.items():
            owner = self.find(kind, value)
            if owner is not None:
                named.setdefault(owner, set()).add(kind)
            crossed = {KeyKind.EXTERNAL: KeyKind.ANONYMOUS, KeyKind.ANONYMOUS: KeyKind.EXTERNAL}
            other = self.find(crossed[kind], value) if kind in crossed else None
            if other is not None:
                keyed.setdefault(other, set()).add(kind)
        return [
            replace(
                self.people[id],
                named_by=frozenset(named.get(id, ())),
                keyed_by=frozenset(keyed.get(id, ())),
            )
            for id in sorted({*named, *keyed})
        ]

    def _write(self, decision: Write) -> None:
        if decision.survivor is None:
            self.made += 1
            written = person(self.made, age_days=-self.made)
        else:
            written = self.people[decision.survivor.id]
        values = dict(decision.columns)
        for loser in decision.losers:
            del self.people[loser.id]
            for key, owner in list(self.aliases.items()):
                if owner == loser.id:
                    self.aliases[key] = written.id

        def first_known(kind: KeyKind) -> str | None:
            known = [written.column(kind), values.get(kind)]
            known += [loser.column(kind) for loser in decision.losers]
            return next((value for value in known if value is not None), None)

        written = replace(
            written,
            external_id=first_known(KeyKind.EXTERNAL),
            email=first_known(KeyKind.EMAIL),
            anonymous_id=first_known(KeyKind.ANONYMOUS),
            discord_id=first_known(KeyKind.DISCORD),
        )
        for alias in decision.aliases:
            self.aliases[alias.kind, alias.value] = written.id
        first = min([written, *decision.losers], key=lambda one: one.first_seen_at)
        self.people[written.id] = replace(written, first_seen_at=first.first_seen_at)
