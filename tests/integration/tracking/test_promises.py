from __future__ import annotations

from typing import Any

import pytest

from hogsend.kernel.clock import SystemClock
from hogsend.outbound import Promises, store
from hogsend.outbox.models import OutboxRow
from hogsend.tracking.hits import HitEvents
from tests.integration.tracking.world import World

pytestmark = pytest.mark.integration


def rows_of(world: World) -> list[OutboxRow]:
    found: list[tuple[Any, ...]] = world.sql(
        "SELECT id, topic, subject, ref_id, payload FROM outbox WHERE topic = 'tracking.hit'"
        " ORDER BY id"
    )
    return [
        OutboxRow(
            id=id_, topic=topic, subject=subject, ref_id=ref_id, payload=payload,
            priority=2, attempts=1,
        )
        for id_, topic, subject, ref_id, payload in found
    ]  # fmt: skip


def test_hits_of_a_person_are_promised_once_and_those_of_machines_never(world: World) -> None:
    send_id, (link,) = world.send(["https://x.test/"])
    world.get(f"/v1/t/o/{send_id}")
    world.click(link)
    world.click(link, {"User-Agent": "Slackbot"})
    worker = HitEvents(world.db, world.ingest, clock=world.clock, promises=Promises(SystemClock()))

    worker.deliver(rows_of(world))
    worker.deliver(rows_of(world))

    told = {event.type: event for event in store.list_promised(world.db)}
    assert len(store.list_promised(world.db)) == len(told) == 2
    assert told["email.opened"].payload["data"]["emailSendId"] == str(send_id)  # type: ignore[index, call-overload]
    assert told["email.clicked"].send_id == send_id
    assert told["email.clicked"].payload["data"]["linkUrl"] == "https://x.test/"  # type: ignore[index, call-overload]
