from __future__ import annotations

from datetime import timedelta

import pytest

from hogsend.net.client import AnswerLost, HttpClient, HttpOptions, NotSent
from tests.providers.conftest import VendorServer


def test_request_answer_is_complete_with_lower_case_headers(vendor: VendorServer) -> None:
    vendor.status, vendor.body, vendor.headers = 418, b"tea", {"X-Pot": "Yes"}
    client = HttpClient()

    answer = client.request("POST", vendor.url, headers={"x-a": "b"}, body=b"hello")
    client.close()

    assert (answer.status, answer.body, answer.headers["x-pot"]) == (418, b"tea", "Yes")
    assert vendor.seen[0].body == b"hello"
    assert vendor.seen[0].headers["x-a"] == "b"
    assert "transfer-encoding" not in vendor.seen[0].headers


def test_request_redirect_is_not_followed(vendor: VendorServer) -> None:
    vendor.status, vendor.headers = 302, {"Location": "/elsewhere"}
    client = HttpClient()

    answer = client.request("POST", vendor.url, headers={}, body=b"x")
    client.close()

    assert answer.status == 302
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_request_unreachable_host_was_not_sent(closed_port: int, host: str) -> None:
    with pytest.raises(NotSent, match="cannot reach"):
        HttpClient().request("POST", f"http://{host}:{closed_port}/?key=secret", headers={})


def test_request_failed_tls_handshake_was_not_sent(vendor: VendorServer) -> None:
    with pytest.raises(NotSent):
        HttpClient().request("POST", vendor.url.replace("http:", "https:"), headers={}, body=b"x")

    assert vendor.seen == []


@pytest.mark.parametrize("behaviour", ["drop", "half"])
def test_request_without_complete_answer_is_lost(vendor: VendorServer, behaviour: str) -> None:
    vendor.behaviour = behaviour
    client = HttpClient()

    with pytest.raises(AnswerLost) as caught:
        client.request("POST", f"{vendor.url}/p?key=secret", headers={}, body=b"x")
    client.close()

    assert "secret" not in str(caught.value.context)


def test_request_silent_server_is_lost_after_the_read_timeout() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = HttpClient(HttpOptions(read_timeout=timedelta(milliseconds=100)))
        with pytest.raises(AnswerLost):
            client.request(
                "POST", f"http://127.0.0.1:{listener.getsockname()[1]}", headers={}, body=b"x"
            )
        client.close()
