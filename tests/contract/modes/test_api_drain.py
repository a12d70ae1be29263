"""A stopping api is out of rotation before its socket closes."""

from __future__ import annotations

import http.client
import json
import signal
import time

import pytest

from tests.acceptance.instance import Instance


@pytest.mark.parametrize("processes", ["1", "2"])
def test_sigterm_with_drain_serves_on_while_not_ready(instance: Instance, processes: str) -> None:
    environ = {"HOGSEND_DRAIN_SECONDS": "3", "HOGSEND_API_PROCESSES": processes}
    api = instance.start_api(**environ)
    kept = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=10)
    kept.request("GET", "/v1/health/live")
    kept.getresponse().read()

    api.send_signal(signal.SIGTERM)
    told_at = time.monotonic()

    status = 200
    while status == 200 and time.monotonic() - told_at < 2:
        status = _get(instance, "/v1/health/ready")
    accepted = instance.post("/v1/events", {"name": "late", "userId": "u1"})
    kept.request("GET", "/v1/health/live")
    answer = kept.getresponse()
    answer.read()
    code = api.wait(timeout=20)
    assert status == 503
    assert (accepted.status, json.loads(accepted.data)["stored"]) == (202, True)
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    assert code == 0, instance.log("api")
    assert time.monotonic() - told_at >= 3


def _get(instance: Instance, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
