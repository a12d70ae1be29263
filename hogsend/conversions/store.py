"""Typed queries on conversions, one function each; they are written by ``hogsend.events``."""

from __future__ import annotations

from datetime import datetime

from hogsend.conversions.models import Conversion, ConversionCount, Direction, Sort
from hogsend.db import Executor, QueryFile

_Q = QueryFile(__package__, "conversions.sql")


def list_conversions(
    db: Executor,
    *,
    definition_id: str | None = None,
    sort: Sort = "occurredAt",
    direction: Direction = "desc",
    limit: int,
    offset: int = 0,
) -> list[Conversion]:
    """A page; what has no value comes last when sorted by it."""
    rows = db.run(
        _Q["list_conversions"],
        definition=definition_id,
        sort=sort,
        dir=direction,
        limit=limit,
        offset=offset,
    )
    return [
        Conversion(
            id=r[0],
            definition_id=r[1],
            contact_id=r[2],
            contact_email=r[3],
            value=r[4],
            currency=r[5],
            occurred_at=r[6],
        )
        for r in rows
    ]


def count_conversions(db: Executor, *, since: datetime) -> list[ConversionCount]:
    """Every definition that ever converted, by id; ``lately`` counts what came after ``since``."""
    return [
        ConversionCount(definition_id=r[0], lately=r[1], ever=r[2], last_at=r[3])
        for r in db.run(_Q["count_conversions"], since=since)
    ]
