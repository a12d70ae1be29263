"""Is this database the original, or a copy of one that may still be running?

A dump, a template copy or a disk image carries every open promise with it. The row
``operator_settings.installation`` says where the installation lives; a database that is somewhere
else is a copy, and nothing may be sent from it before an operator accepts it (docs/upgrades.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from hogsend.db.database import Executor
from hogsend.db.errors import DatabaseError, DatabaseUnavailable, UndefinedTable
from hogsend.db.options import DatabaseOptions, parse_url
from hogsend.db.queries import QueryFile

_Q = QueryFile(__package__, "home.sql")
_ADDRESSES_KEPT = 16

FENCED = "an operator fenced it"
OTHER_SERVER = "it was restored on another PostgreSQL server"
OTHER_DATABASE = "it was copied into another database of the same server"
OTHER_TABLES = "its tables were restored from a dump"
RECOVERED = "it was recovered at an address it never had"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a database is. ``cluster`` and ``timeline`` are None where nobody may know them."""

    cluster: str | None
    database: int
    table: int
    timeline: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The row: the place that was accepted last and the (hashed) addresses it was reached at."""

    id: str
    place: Place
    addresses: tuple[str, ...]
    is_fenced: bool = False


def find_reason(db: Executor, options: DatabaseOptions) -> str | None:
    """Why this database counts as a copy; None at home, and while no row says where that is.

    Raises DatabaseError, UndefinedTable before the first migration.
    """
    value, place = _look(db)
    return None if value is None else _judge(_read(value), place, options)


def settle(db: Executor, options: DatabaseOptions, *, new_id: UUID) -> str | None:
    """As ``find_reason``, for those who are about to send: also notes where home is.

    The first to look makes this place home; afterwards a new timeline (a failover) and a new
    address are learned, as long as nothing else has changed.
    """
    value, place = _look(db)
    if value is None:
        db.run(_Q["insert_home"], value=_write(_home(str(new_id), place, options)))
        return None
    home = _read(value)
    reason = _judge(home, place, options)
    if reason is None:
        address = _hash(home.id, options)
        known = tuple(a for a in home.addresses if a != address)
        learned = replace(
            home,
            place=replace(place, timeline=place.timeline or home.place.timeline),
            addresses=home.addresses
            if address in home.addresses
            else (address, *known)[:_ADDRESSES_KEPT],
        )
        if learned != home:
            db.run(_Q["note_home"], value=_write(learned), seen=value)
    return reason


def accept(db: Executor, options: DatabaseOptions, *, place: Place, new_id: UUID) -> None:
    """``place``, as ``read_place`` gave it, is home from now on, and no other."""
    db.run(_Q["write_home"], value=_write(_home(str(new_id), place, options)))


def fence(db: Executor, options: DatabaseOptions, *, new_id: UUID) -> None:
    """Nothing may be sent from here until somebody accepts it."""
    home = _home(str(new_id), read_place(db), options)
    db.run(_Q["write_home"], value=_write(replace(home, is_fenced=True)))


def read_place(db: Executor) -> Place:
    """Ask the server; raises DatabaseError."""
    return _look(db)[1]


def _look(db: Executor) -> tuple[dict[str, Any] | None, Place]:
    """The row, None while nobody has written it, and the place."""
    try:
        row = db.run(_Q["look"])[0]
    except (DatabaseUnavailable, UndefinedTable):
        raise
    except DatabaseError:
        row = db.run(_Q["look_modestly"])[0]
    return row[0], Place(cluster=row[1], database=row[2], table=row[3], timeline=row[4])


def _judge(home: Home, here: Place, options: DatabaseOptions) -> str | None:
    there = home.place
    is_cluster_known = there.cluster is not None and here.cluster is not None
    is_address_known = _hash(home.id, options) in home.addresses
    if home.is_fenced:
        return FENCED
    if is_cluster_known and here.cluster != there.cluster:
        return OTHER_SERVER
    if here.database != there.database:
        return OTHER_DATABASE
    if here.table != there.table:
        return OTHER_TABLES
    if not is_cluster_known and not is_address_known:
        # Nothing but the address can tell two servers apart then.
        return OTHER_SERVER
    has_new_timeline = None not in (here.timeline, there.timeline) and (
        here.timeline != there.timeline
    )
    return RECOVERED if has_new_timeline and not is_address_known else None


def _home(home_id: str, place: Place, options: DatabaseOptions) -> Home:
    return Home(id=home_id, place=place, addresses=(_hash(home_id, options),))


def _hash(home_id: str, options: DatabaseOptions) -> str:
    """Salted: a dump that is passed on tells nobody where the original lives."""
    address = parse_url(options.url)
    text = f"{home_id} {address.host}:{address.port}/{address.database}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(home: Home) -> dict[str, Any]:
    return {
        "id": home.id,
        **asdict(home.place),
        "addresses": list(home.addresses),
        "isFenced": home.is_fenced,
    }


def _read(value: dict[str, Any]) -> Home:
    return Home(
        id=value["id"],
        place=Place(
            cluster=value["cluster"],
            database=value["database"],
            table=value["table"],
            timeline=value["timeline"],
        ),
        addresses=tuple(value["addresses"]),
        is_fenced=value["isFenced"],
    )
