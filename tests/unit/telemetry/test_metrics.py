from __future__ import annotations

from dataclasses import dataclass

import pytest
import urllib3

from hogsend.errors import ConfigError, HogsendError
from hogsend.telemetry.metrics import Metrics, serve_metrics


@dataclass(frozen=True)
class Backlog:
    waiting: int = 7
    parked: int = 2
    oldest_seconds: float = 1.5


@dataclass(frozen=True)
class Pool:
    size: int = 4
    in_use: int = 3
    exhausted_total: int = 0
    round_trips_total: int = 40
    waiting: int = 0


def test_counters_and_histogram_show_what_was_counted() -> None:
    metrics = Metrics(mode="api")

    metrics.count_event("created", 3)
    metrics.count_send(provider="smtp", template="welcome", outcome="sent")
    metrics.count_advance(journey="first-week", outcome="paused")
    metrics.observe_request(method="POST", route="/v1/events", status=202, seconds=0.004)

    text = metrics.render().decode()
    assert 'hogsend_events_ingested_total{result="created"} 3.0' in text
    assert 'hogsend_email_sends_total{outcome="sent",provider="smtp"} 1.0' in text
    assert 'hogsend_journey_advances_total{journey="first-week",outcome="paused"} 1.0' in text
    assert (
        'hogsend_http_request_seconds_bucket{le="0.005",method="POST",route="/v1/events",'
        'status="2xx"} 1.0' in text
    )
    assert 'hogsend_build_info{mode="api"' in text


def test_gauges_are_read_when_scraped() -> None:
    metrics = Metrics(mode="worker")
    metrics.watch_outbox(Backlog)
    metrics.watch_pool(Pool)

    text = metrics.render().decode()

    assert "hogsend_outbox_waiting_rows 7.0" in text
    assert "hogsend_outbox_parked_rows 2.0" in text
    assert "hogsend_outbox_oldest_age_seconds 1.5" in text
    assert "hogsend_db_pool_in_use_connections 3.0" in text


def test_source_that_fails_leaves_the_others_in_the_scrape() -> None:
    metrics = Metrics(mode="worker")

    def fail() -> Backlog:
        raise HogsendError("down")

    metrics.watch_outbox(fail)
    metrics.watch_pool(Pool)

    text = metrics.render().decode()
    assert "hogsend_outbox" not in text
    assert "hogsend_db_pool_connections 4.0" in text


def test_two_instances_share_nothing() -> None:
    first, second = Metrics(mode="api"), Metrics(mode="api")

    first.count_event("created")

    assert b'result="created"' not in second.render()


def test_server_answers_scrapes_until_closed_and_names_a_taken_port() -> None:
    metrics = Metrics(mode="api")

    with serve_metrics(metrics, 0) as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        answer = urllib3.request("GET", url)
        with pytest.raises(ConfigError, match="HOGSEND_METRICS_PORT"):
            serve_metrics(metrics, server.port)

    assert b"hogsend_build_info" in answer.data
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", url, retries=False)
