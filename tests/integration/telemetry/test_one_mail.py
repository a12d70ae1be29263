"""One mail is followed back to the request that caused it: by logs, by rows, by spans."""

from __future__ import annotations

import asyncio
import json
import logging as stdlib
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import falcon.testing
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hogsend import settings
from hogsend.app import App
from hogsend.container.tracing import build_relay, traced
from hogsend.db import Database
from hogsend.email.mailer import Mailer
from hogsend.email.queue import SendQueue, SendTopic
from hogsend.email.tasks import email_tasks
from hogsend.events import api as events_api
from hogsend.events.traced import build_ingest
from hogsend.journeys.runtime.advance import Advance, AdvanceOptions, Wakers
from hogsend.journeys.tasks import journey_tasks
from hogsend.journeys.topic import JourneyTopic
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.orchestrator.port import Run
from hogsend.telemetry import logging
from hogsend.telemetry.tracing import Tracing, build_tracing, ids_of, traceparent_of
from hogsend.web.app import WebOptions, build_app
from tests.contract.data_plane import DataPlane
from tests.fakes.mail import REQUEST, FakeProvider, build
from tests.integration.journeys.content import HOUR, fields
from tests.integration.journeys.world import Silent, World

pytestmark = pytest.mark.integration

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"


def app() -> App:
    """Mail, nap, mail."""
    made = App("letters")

    @made.journey(**fields("letters", {}))
    async def run(user: Any, ctx: Any) -> None:
        await ctx.send_email(REQUEST.template, props={"name": "Ada"}, label="first")
        await ctx.sleep(HOUR, label="nap")
        await ctx.send_email(REQUEST.template, props={"name": "Ada"}, label="second")

    return made


class House:
    """From the request to the provider, with or without traces."""

    def __init__(self, database: Database, tracing: Tracing | None) -> None:
        self.mailer: Mailer = build(database, FakeProvider(), tracing=tracing)
        self.world = World(app=app(), database=database, mailer=self.mailer)  # type: ignore[arg-type]
        world, plane = self.world, DataPlane(database)
        world.ingest = build_ingest(
            tracing, db=database, matcher=world.registry, nudge=Silent(), new_id=uuid7
        )
        world.advance = Advance(
            world.services(),
            AdvanceOptions(),
            wakers=Wakers(poke=lambda: None, expect=world.timer.expect),
            new_id=uuid7,
            tracing=tracing,
        )
        self.queue = SendQueue(database, self.mailer, clock=SystemClock(), new_id=uuid7)
        world.relay = build_relay(
            tracing,
            database,
            [
                JourneyTopic(registry=world.registry, submitter=world.runs, batch=50),
                SendTopic(submitter=world.runs),
            ],
        )
        tasks = [*journey_tasks(world.registry, world.advance), *email_tasks(self.queue, None)]  # type: ignore[arg-type]
        self.tasks = {task.name: task for task in traced(tracing, tasks)}
        api = events_api.EventsApi(
            sink=world.ingest, bulk=world.ingest, signer=plane.signer, clock=SystemClock(),
            is_logged=True,
        )  # fmt: skip
        routes = events_api.routes(api, plane.guards)
        self.client = falcon.testing.TestClient(
            build_app(routes, options=WebOptions(tracer=tracing))
        )
        self.key = plane.secret

    def post(self, name: str, request_id: str) -> None:
        answer = self.client.simulate_post(
            "/v1/events",
            json={"name": name, "userId": "ada", "email": "ada@people.test"},
            headers={
                "Authorization": f"Bearer {self.key}",
                "X-Request-Id": request_id,
                "traceparent": f"00-{CALLER}-00f067aa0ba902b7-01",
            },
        )
        assert answer.status_code == 202
        structlog.contextvars.clear_contextvars()  # the worker is another process

    def work(self) -> None:
        self.world.timer.move_due()
        for request in self.world.claim():
            run = Run(
                task=request.task, input=request.input, run_id="r", attempt=1,
                metadata=request.metadata,
            )  # fmt: skip
            asyncio.run(self.tasks[request.task].handler(run))  # type: ignore[arg-type]

    def close(self) -> None:
        self.queue.close()
        self.world.close()


@pytest.fixture
def output() -> Iterator[StringIO]:
    root = stdlib.getLogger()
    handlers, level = root.handlers, root.level
    written = StringIO()
    chosen = settings.load({"LOG_LEVEL": "debug", "LOG_FORMAT": "json"}, mode="cli")
    logging.configure(chosen, mode="worker", stream=written)
    yield written
    root.handlers = handlers
    root.setLevel(level)
    stdlib.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    return build_tracing(service="hogsend", mode="worker", processor=SimpleSpanProcessor(exporter))


def named(lines: list[dict[str, Any]], event: str, **wanted: str) -> dict[str, Any]:
    (found,) = [line for line in lines if line["event"] == event and wanted.items() <= line.items()]
    return found


def one(spans: list[ReadableSpan], name: str, trace_id: int) -> ReadableSpan:
    (found,) = [s for s in spans if s.name == name and s.context.trace_id == trace_id]
    return found


def test_log_lines_lead_from_a_mail_to_its_request(database: Database, output: StringIO) -> None:
    house = House(database, None)
    house.post("start", "req-1")
    house.work()
    house.close()

    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    (send_id,) = house.world.sql("SELECT id::text FROM email_sends")[0]
    mail = named(lines, "email.send_finished", send_id=send_id)
    assert mail["journey"] == "letters"
    advance = named(lines, "journey.advanced", state_id=mail["state_id"])
    assert advance["event_id"] == mail["event_id"]
    event = named(lines, "event.ingested", event_id=mail["event_id"])
    assert (event["request_id"], event["name"], event["stored"]) == ("req-1", "start", True)


def test_rows_lead_from_a_mail_to_its_event(database: Database) -> None:
    house = House(database, None)
    house.post("start", "req-1")
    house.work()
    house.world.let_time_pass()
    house.work()
    house.close()

    assert house.world.sql(
        "SELECT e.event, e.id = s.trigger_event_id FROM email_sends m"
        " JOIN user_events e ON e.id = CAST(m.metadata ->> 'eventId' AS uuid)"
        " JOIN journey_states s ON s.id = m.journey_state_id"
    ) == [("start", True), ("start", True)]


def test_spans_of_every_mail_are_in_the_trace_of_its_event(
    database: Database, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    house = House(database, tracing)
    house.post("start", "req-1")
    house.work()
    house.world.let_time_pass()
    house.work()
    house.close()

    spans = list(exporter.get_finished_spans())
    event_id: UUID = house.world.sql("SELECT id FROM user_events WHERE event = 'start'")[0][0]
    trace_id, first_id = ids_of(event_id)
    assert traceparent_of(event_id) == f"00-{trace_id:032x}-{first_id:016x}-01"
    ingest = one(spans, "hogsend.ingest", trace_id)
    assert ingest.context.span_id == first_id
    assert ingest.start_time < ingest.end_time  # type: ignore[operator]
    request = one(spans, "POST /v1/events", int(CALLER, 16))
    assert request.attributes["hogsend.request_id"] == "req-1"  # type: ignore[index]
    assert [link.context.span_id for link in request.links] == [first_id]
    assert [link.context.span_id for link in ingest.links] == [request.context.span_id]
    advances = [s for s in spans if s.name == "hogsend.advance"]
    sends = [s for s in spans if s.name == "hogsend.send"]
    assert (len(advances), len(sends)) == (2, 2)
    assert {s.context.trace_id for s in (*advances, *sends)} == {trace_id}
    assert {s.parent.span_id for s in advances if s.parent} == {first_id}
    assert {s.parent.span_id for s in sends if s.parent} <= {s.context.span_id for s in advances}
    tasks = {s.context.span_id for s in spans if s.name.startswith("hogsend.task ")}
    assert {link.context.span_id for s in advances for link in s.links} == tasks
    assert [s.attributes["topic"] for s in spans if s.name == "hogsend.relay"] == [  # type: ignore[index]
        "journey.advance", "journey.advance",
    ]  # fmt: skip


def test_mail_that_no_event_caused_has_a_trace_of_its_own(
    database: Database, tracing: Tracing, exporter: InMemorySpanExporter, output: StringIO
) -> None:
    house = House(database, tracing)
    promised = house.mailer.enqueue(REQUEST)
    house.work()
    house.close()

    assert promised.send_id is not None
    trace_id, first_id = ids_of(promised.send_id)
    spans = list(exporter.get_finished_spans())
    assert one(spans, "hogsend.promise", trace_id).context.span_id == first_id
    send = one(spans, "hogsend.send", trace_id)
    assert send.parent is not None
    assert send.parent.span_id == first_id
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    named(lines, "email.promised", send_id=str(promised.send_id))
    named(lines, "email.send_finished", send_id=str(promised.send_id))
