"""Metrics of running processes, as a scraper sees them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from hogsend.embedded.ports import find_free_port
from tests.acceptance.instance import Instance
from tests.contract.modes.conftest import HTTP, get
from tests.waiting import wait_until


def scrape(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels."""
    text = HTTP.request("GET", f"http://127.0.0.1:{port}/metrics", timeout=5).data.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**pairs: str) -> frozenset[tuple[str, str]]:
    return frozenset(pairs.items())


def test_api_and_worker_with_one_environment_serve_their_own_metrics(instance: Instance) -> None:
    port = find_free_port()
    instance.engine = {**instance.engine, "HOGSEND_METRICS_PORT": str(port)}
    instance.start_api()
    instance.start_worker()
    instance.send("mail.wanted", "u1")
    wait_until(lambda: len(instance.mails()) == 1, seconds=30, what="the mail")
    assert get(instance, "/v1/no/such/route")[0] in (401, 404)

    api = scrape(port)
    wait_until(
        lambda: ("hogsend_outbox_waiting_rows", labels()) in scrape(port + 1),
        seconds=10,
        what="the worker's metrics",
    )
    worker = scrape(port + 1)

    assert api["hogsend_events_ingested_total", labels(result="created")] == 1
    requests = labels(method="POST", route="/v1/events", status="2xx")
    assert api["hogsend_http_request_seconds_count", requests] == 1
    assert not any("/v1/no/such/route" in str(key) for key in api)
    assert api["hogsend_db_pool_connections", labels()] >= 1
    sent = labels(provider="outbox", outcome="sent")
    assert worker["hogsend_email_sends_total", sent] == 1
    completed = labels(journey="straight", outcome="completed")
    assert worker["hogsend_journey_advances_total", completed] == 1
    assert worker["hogsend_outbox_parked_rows", labels()] == 0
    assert worker["hogsend_waits_open_rows", labels()] == 0
    assert worker["hogsend_waits_late_seconds", labels()] == 0
    assert worker["hogsend_workers_alive", labels()] == 1
    assert worker["hogsend_task_seconds_count", labels(task="journey-straight", outcome="ok")] == 1


def test_metrics_of_the_api_are_shown_to_administrators_only(instance: Instance) -> None:
    instance.engine = {
        **instance.engine,
        "HOGSEND_METRICS_PORT": str(find_free_port()),
        "ADMIN_API_KEY": "metrics-key",
    }
    instance.start_api()
    url = f"http://127.0.0.1:{instance.port}/metrics"

    assert HTTP.request("GET", url).status == 401
    answer = HTTP.request("GET", url, headers={"Authorization": "Bearer metrics-key"})
    assert answer.status == 200
    assert b"hogsend_build_info" in answer.data


def test_metrics_are_not_served_unless_wanted(instance: Instance) -> None:
    instance.start_api()

    assert "metrics.listening" not in instance.log("api")
