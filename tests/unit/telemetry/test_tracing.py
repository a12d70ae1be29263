from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hogsend.container.tracing import TracedRelay, build_relay, build_tracing, traced
from hogsend.events.ingest import Ingest
from hogsend.events.traced import build_ingest
from hogsend.kernel.ids import uuid7
from hogsend.settings import load
from hogsend.telemetry import tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> tracing.Tracing:
    return tracing.build_tracing(service="s", mode="api", processor=SimpleSpanProcessor(exporter))


def test_without_an_endpoint_there_are_no_traces_and_nothing_is_wrapped() -> None:
    off = build_tracing(load({}, mode="cli"), mode="worker")

    assert off is None
    assert traced(off, []) == []
    assert type(build_relay(off, None, [])) is not TracedRelay
    made = build_ingest(off, db=None, matcher=None, nudge=None, new_id=uuid7)
    assert type(made) is Ingest


def test_without_the_packages_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    built = build_tracing(load(ENDPOINT, mode="cli"), mode="worker")

    assert built is None
    assert "OpenTelemetry packages are not installed" in capsys.readouterr().out


def test_with_endpoint_and_packages_there_are_traces() -> None:
    built = build_tracing(load(ENDPOINT, mode="cli"), mode="worker")

    assert built is not None
    built.close()


def test_failed_work_is_marked(traces: tracing.Tracing, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="no"), traces.span("work"):
        raise ValueError("no")

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code.name == "ERROR"


def test_ids_of_causes_spread_evenly_so_that_samplers_work() -> None:
    low = [tracing.ids_of(uuid7())[0] & (2**64 - 1) for _ in range(2000)]

    assert 800 < sum(value < 2**63 for value in low) < 1200


def test_batch_links_to_the_traces_of_its_causes(
    traces: tracing.Tracing, exporter: InMemorySpanExporter
) -> None:
    causes = [uuid7(), uuid7()]

    with traces.span("batch", causes=causes):
        pass

    spans: Sequence[ReadableSpan] = exporter.get_finished_spans()
    assert [link.context.trace_id for link in spans[0].links] == [
        tracing.ids_of(cause)[0] for cause in causes
    ]
