"""Who is it: unknown, known, completed and merged people, and ingest over a growing history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from hogsend.contacts import Keys, Policy, repeat, resolve_contact
from hogsend.db import Database, DatabaseOptions, Query
from hogsend.events.ingest import Ingest
from hogsend.events.matching import Matches
from hogsend.events.models import NewEvent
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonValue
from tests.acceptance.engines import LocalEngine
from tests.benchmarks.loadgen import percentile
from tests.benchmarks.report import Result
from tests.benchmarks.stack import Stack

_TIMES = 300
_PEOPLE = 10_000
_HISTORIES = (10_000, 1_000_000)
_LARGE_HISTORY = 5_000_000

_FILL_PEOPLE = Query.parse(
    "fill_people",
    "WITH made AS (INSERT INTO contacts (external_id, email, properties)"
    " SELECT 'p' || n, 'p' || n || '@x.co', '{\"plan\": \"pro\"}' FROM generate_series(1, :count) n"
    " RETURNING id, external_id)"
    " INSERT INTO contact_aliases (contact_id, alias_kind, alias_value, reason)"
    " SELECT id, 'external', external_id, 'resolve' FROM made"
    " UNION ALL SELECT id, 'email', external_id || '@x.co', 'resolve' FROM made",
)
_FILL_EVENTS = Query.parse(
    "fill_events",
    "INSERT INTO user_events (user_id, contact_id, event, properties, occurred_at)"
    ' SELECT k.external_id, k.id, \'seen.\' || (n % 20), \'{"page": "/pricing", "n": 7}\','
    " now() - make_interval(secs => n % 7776000)"
    " FROM generate_series(1, :count) n JOIN contacts k ON k.external_id ="
    " 'p' || (1 + (n * 7919) % :people)",
)


class _NoContent:
    def match(self, event: str, properties: Mapping[str, JsonValue]) -> Matches:
        return Matches()

    def poke(self) -> None:
        """Nobody."""


def run(stack: Stack) -> Iterator[Result]:
    """Resolution first, then ingest with 10 thousand, 1 million (and 5 million) stored events."""
    with _database(stack) as database:
        database.run(_FILL_PEOPLE, count=_PEOPLE)
        database.run(Query("analyze", "ANALYZE"))
        yield from _resolutions(database)
    histories = (*_HISTORIES, _LARGE_HISTORY) if stack.is_large else _HISTORIES
    with _database(stack) as database:
        database.run(_FILL_PEOPLE, count=_PEOPLE)
        stored = 0
        for wanted in histories:
            for _ in range(stored, wanted, 100_000):
                count = min(100_000, wanted - stored)
                database.run(_FILL_EVENTS, count=count, people=_PEOPLE)
                stored += count
            database.run(Query("vacuum", "VACUUM (ANALYZE) user_events"))
            yield from _ingests(database, stored)


def _resolutions(database: Database) -> Iterator[Result]:
    def resolve(keys: Keys) -> None:
        def transaction() -> None:
            with database.transaction() as tx:
                resolve_contact(tx, keys, policy=Policy(), new_id=uuid7)

        repeat(transaction)

    yield _measure(database, "resolve, unknown", lambda n: resolve(Keys(external=f"new-{n}")))
    yield _measure(database, "resolve, known", lambda n: resolve(Keys(external=f"p{n}")))
    yield _measure(
        database,
        "resolve, known with a new address",
        lambda n: resolve(Keys(external=f"p{n}", email=f"second-{n}@x.co")),
    )
    yield _measure(
        database,
        "resolve, merging two",
        lambda n: resolve(Keys(external=f"p{1000 + n}", email=f"p{2000 + n}@x.co")),
    )


def _ingests(database: Database, stored: int) -> Iterator[Result]:
    none = _NoContent()
    ingest = Ingest(db=database, matcher=none, nudge=none, new_id=uuid7)
    label = f"{stored:,} stored"
    first, second = stored % 7 * 1000, _PEOPLE - stored % 7 * 500  # people no other size merged

    def send(**keys: str) -> None:
        ingest.ingest(NewEvent(name="seen.1", properties={"page": "/pricing"}, **keys))  # type: ignore[arg-type]

    yield _measure(database, f"ingest, known, {label}", lambda n: send(external_id=f"p{n}"))
    yield _measure(
        database,
        f"ingest, known by two keys, {label}",
        lambda n: send(external_id=f"p{n}", email=f"p{n}@x.co"),
    )
    yield _measure(
        database, f"ingest, unknown, {label}", lambda n: send(external_id=f"new-{stored}-{n}")
    )
    yield _measure(
        database,
        f"ingest, merging two, {label}",
        lambda n: send(external_id=f"p{first + n}", email=f"p{second - n}@x.co"),
    )


def _measure(database: Database, name: str, once: Callable[[int], None]) -> Result:
    once(_TIMES + 1)  # statements are parsed, pages are warm
    before = database.stats().round_trips_total
    latencies = []
    started = time.perf_counter()
    for n in range(1, _TIMES + 1):
        at = time.perf_counter()
        once(n)
        latencies.append((time.perf_counter() - at) * 1000)
    elapsed = time.perf_counter() - started
    return Result(
        name=name,
        per_second=_TIMES / elapsed,
        p50_ms=percentile(latencies, 0.50),
        p99_ms=percentile(latencies, 0.99),
        round_trips=(database.stats().round_trips_total - before) / _TIMES,
        notes={"connections": 1},
    )


@contextmanager
def _database(stack: Stack) -> Iterator[Database]:
    with stack.instance(LocalEngine(namespace="")) as instance:
        database = Database(DatabaseOptions(url=instance.dsn, pool_size=1))
        try:
            yield database
        finally:
            database.close()
