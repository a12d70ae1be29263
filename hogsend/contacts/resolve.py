"""Who a set of keys means: decided over loaded rows, without a database.

``decide`` is the whole rule book; ``hogsend.contacts.write`` loads, locks and carries out. The
same rules for the two easy cases (all keys name one person already, nobody is there yet) live in
``hogsend.ingest_event_v1``, which asks for a decision whenever it is anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hogsend.contacts.models import Candidate, KeyKind, Keys, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Nobody is there and nobody may be made; history is kept under ``key``."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The caller may not touch who these keys name; nothing is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A key of the person: ``promote`` when it is kept in a column, ``resolve`` otherwise."""

    kind: KeyKind
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One person to write.

    ``losers`` are merged into ``survivor`` in this order: what a later one knows lies below what
    an earlier one knows. ``columns`` fill what is empty. ``adopt`` are keys whose history without
    an owner becomes this person's. ``survivor`` None is somebody new.
    """

    survivor: Candidate | None
    losers: tuple[Candidate, ...] = ()
    columns: tuple[tuple[KeyKind, str], ...] = ()
    aliases: tuple[Alias, ...] = ()
    adopt: tuple[str, ...] = ()
    merged_keys: tuple[str, ...] = ()
    merged_identified_keys: tuple[str, ...] = ()
    skipped: tuple[KeyKind, ...] = ()


Decision = Observe | Refuse | Write


def decide(keys: Keys, candidates: Sequence[Candidate], policy: Policy) -> Decision:
    """What to do about these keys. Pure: the same rows and keys give the same decision.

    ``candidates`` are all people a given key names or belongs to. At least one key is given.
    """
    found, skipped = _without_shared_browser(keys, candidates)
    if policy.anonymous_only and _touches_identified(candidates, found):
        return Refuse()
    if not found:
        return _nobody(keys, candidates, policy, skipped)
    if not policy.may_create:
        return Write(survivor=_strongest(keys, found), skipped=tuple(sorted(skipped)))
    survivor, *losers = sorted(found, key=_survival_order)
    return _known(keys, survivor, tuple(losers), candidates, skipped)


def _strongest(keys: Keys, found: Sequence[Candidate]) -> Candidate:
    """Whom an observation is about: it claims no key and ties nobody together."""
    return next(p for kind, _ in keys.items() for p in found if kind in p.named_by)


def _survival_order(person: Candidate) -> tuple[bool, float, str]:
    """An external id beats age, age beats the smaller id."""
    return person.external_id is None, person.first_seen_at.timestamp(), str(person.id)


def _without_shared_browser(
    keys: Keys, candidates: Sequence[Candidate]
) -> tuple[list[Candidate], set[KeyKind]]:
    """The people the keys name, and the kinds to leave alone.

    An anonymous id is a browser, and people share browsers: it never ties somebody to another
    external id than their own. The browser stays with whom it was first.
    """
    found = [person for person in candidates if person.named_by]
    browser = next((p for p in found if p.named_by == {KeyKind.ANONYMOUS}), None)
    if browser is None or browser.external_id is None:
        return found, set()
    others = [person for person in found if person is not browser]
    has_another_id = any(person.external_id is not None for person in others)
    brings_new_id = keys.external is not None and not any(
        KeyKind.EXTERNAL in person.named_by for person in found
    )
    if has_another_id or brings_new_id:
        return others, {KeyKind.ANONYMOUS}
    return found, set()


def _touches_identified(candidates: Sequence[Candidate], found: Sequence[Candidate]) -> bool:
    """True when an anonymous caller would reach somebody identified, or several people."""
    return (
        len(found) > 1
        or any(person.external_id is not None or person.email is not None for person in found)
        or any(KeyKind.ANONYMOUS in person.keyed_by for person in candidates)
    )


def _nobody(
    keys: Keys, candidates: Sequence[Candidate], policy: Policy, skipped: set[KeyKind]
) -> Decision:
    if not policy.may_create:
        return Observe(key=keys.external or keys.anonymous or keys.email or keys.discord or "")
    if _belongs_to_another(KeyKind.ANONYMOUS, (), candidates):
        skipped = skipped | {KeyKind.ANONYMOUS}
    columns = [(kind, value) for kind, value in keys.items() if kind not in skipped]
    if not columns:
        return Refuse()
    canonical = keys.external or keys.anonymous
    anonymous = None if KeyKind.ANONYMOUS in skipped else keys.anonymous
    return Write(
        survivor=None,
        columns=tuple(columns),
        aliases=tuple(Alias(kind=k, value=v, reason="resolve") for k, v in columns),
        adopt=tuple(value for kind, value in columns if kind != KeyKind.DISCORD),
        merged_keys=(anonymous,) if anonymous and anonymous != canonical else (),
        skipped=tuple(sorted(skipped)),
    )


def _known(
    keys: Keys,
    survivor: Candidate,
    losers: tuple[Candidate, ...],
    candidates: Sequence[Candidate],
    skipped: set[KeyKind],
) -> Write:
    ours = (survivor, *losers)
    columns: list[tuple[KeyKind, str]] = []
    aliases: list[Alias] = []
    adopt: list[str] = []
    refused = set(skipped)
    for kind, value in keys.items():
        if kind in refused or any(person.column(kind) == value for person in ours):
            continue
        if any(kind in person.named_by for person in ours) and not _is_promotion(
            kind, value, survivor
        ):
            continue  # an alias of ours already, or a key that circulates for us
        if _belongs_to_another(kind, ours, candidates):
            refused.add(kind)
            continue
        is_column = survivor.column(kind) is None
        if is_column:
            columns.append((kind, value))
        aliases.append(Alias(kind=kind, value=value, reason="promote" if is_column else "resolve"))
        if kind != KeyKind.DISCORD:
            adopt.append(value)
    before = {person.key for person in ours}
    after = _key_after(survivor, losers, dict(columns))
    identified = tuple(p.external_id for p in losers if p.external_id is not None)
    claimed = [a.value for a in aliases if a.kind == KeyKind.ANONYMOUS]
    stitched = [
        key for key in [*(p.key for p in ours), *claimed] if key != after and key not in identified
    ]
    return Write(
        survivor=survivor,
        losers=losers,
        columns=tuple(columns),
        aliases=tuple(aliases),
        adopt=tuple(key for key in adopt if key not in before),
        merged_keys=tuple(dict.fromkeys(stitched)),
        merged_identified_keys=identified,
        skipped=tuple(sorted(refused)),
    )


def _is_promotion(kind: KeyKind, value: str, survivor: Candidate) -> bool:
    """True when somebody's anonymous id, so far their key, is declared to be their external id."""
    return (
        kind == KeyKind.EXTERNAL and survivor.external_id is None and value == survivor.anonymous_id
    )


def _belongs_to_another(
    kind: KeyKind, ours: tuple[Candidate, ...], candidates: Sequence[Candidate]
) -> bool:
    return any(kind in person.keyed_by for person in candidates if person not in ours)


def _key_after(
    survivor: Candidate, losers: tuple[Candidate, ...], columns: dict[KeyKind, str]
) -> str:
    """The canonical key once columns and losers have filled what the survivor lacks."""
    for kind in (KeyKind.EXTERNAL, KeyKind.ANONYMOUS):
        values = [survivor.column(kind), columns.get(kind), *(p.column(kind) for p in losers)]
        value = next((v for v in values if v is not None), None)
        if value is not None:
            return value
    return str(survivor.id)


def contact_of(decision: Write, new_id: UUID) -> UUID:
    """The id of the person a write is about."""
    return new_id if decision.survivor is None else decision.survivor.id
