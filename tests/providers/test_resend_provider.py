from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from hogsend.email.attachments import Attachment
from hogsend.email.providers.base import ProviderDisputed, ProviderReceipt, WireMessage
from hogsend.email.providers.resend import ResendProvider
from hogsend.errors import (
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.net.client import HttpClient
from tests.providers.conftest import SEND_ID, VendorServer


def send(url: str, message: WireMessage) -> str:
    provider = ResendProvider(HttpClient(), api_key="re_secret", base_url=url)
    try:
        return provider.send(message).message_id
    finally:
        provider.close()


def test_send_accepted_mail_has_the_recorded_shape(
    vendor: VendorServer, message: WireMessage
) -> None:
    vendor.body = b'{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}'

    message_id = send(vendor.url, message)

    (seen,) = vendor.seen
    assert message_id == "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"
    assert seen.path == "/emails"
    assert seen.headers["authorization"] == "Bearer re_secret"
    assert seen.headers["idempotency-key"] == f"hs:{SEND_ID}"
    assert seen.headers["user-agent"].startswith("hogsend")
    assert json.loads(seen.body) == {
        "from": "Grüße <hello@example.com>",
        "to": ["ada@example.org"],
        "subject": "Schöne Grüße",
        "html": "<p>Größe</p>\r\n<p>.</p>",
        "text": "Größe\n.\nEnd",
        "reply_to": ["help@example.com"],
        "headers": {"X-Campaign": "spring"},
        "tags": [
            {"name": "hs_send_id", "value": str(SEND_ID)},
            {"name": "hs_template", "value": "activation-nudge-1"},
        ],
    }


def test_send_same_message_twice_is_byte_stable(vendor: VendorServer, message: WireMessage) -> None:
    vendor.body = b'{"id":"x"}'

    send(vendor.url, message)
    send(vendor.url, message)

    assert vendor.seen[0].body == vendor.seen[1].body
    assert vendor.seen[0].headers["idempotency-key"] == vendor.seen[1].headers["idempotency-key"]


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (429, "rate_limit_exceeded", ProviderTransient),
        (429, "daily_quota_exceeded", ProviderTransient),
        (500, "application_error", ProviderTransient),
        (503, "service_unavailable", ProviderTransient),
        (502, "bad_gateway", ProviderUnknown),
        (504, "gateway_timeout", ProviderUnknown),
        (409, "concurrent_idempotent_requests", ProviderUnknown),
        (409, "invalid_idempotent_request", ProviderDisputed),
        (401, "missing_api_key", ProviderPermanent),
        (403, "invalid_api_key", ProviderPermanent),
        (403, "validation_error", ProviderPermanent),
        (404, "not_found", ProviderPermanent),
        (422, "invalid_from_address", ProviderPermanent),
        (302, "moved", ProviderPermanent),
        (422, "validation_error", ProviderRejected),
        (400, "invalid_idempotency_key", ProviderRejected),
        (413, "too_large", ProviderRejected),
    ],
)
def test_send_refusal_maps_to_the_taxonomy(
    vendor: VendorServer, message: WireMessage, status: int, name: str, kind: type[ProviderError]
) -> None:
    vendor.status = status
    vendor.body = json.dumps({"statusCode": status, "name": name, "message": "because"}).encode()
    vendor.headers = {"x-request-id": "req-1"}

    with pytest.raises(ProviderError) as caught:
        send(vendor.url, message)

    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.code == f"resend_{name}"
    assert caught.value.request_id == "req-1"
    assert "because" in str(caught.value)
    assert "re_secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "name", "seconds"),
    [
        ("7", "rate_limit_exceeded", 7.0),
        ("0.5", "rate_limit_exceeded", 0.5),
        ("soon", "rate_limit_exceeded", None),
        ("-1", "rate_limit_exceeded", None),
        ("nan", "rate_limit_exceeded", None),
        (None, "rate_limit_exceeded", None),
        (None, "monthly_quota_exceeded", 3600.0),
    ],
)
def test_send_rate_limited_carries_retry_after(
    vendor: VendorServer,
    message: WireMessage,
    header: str | None,
    name: str,
    seconds: float | None,
) -> None:
    vendor.status = 429
    vendor.body = json.dumps({"name": name}).encode()
    vendor.headers = {"retry-after": header} if header else {}

    with pytest.raises(ProviderTransient) as caught:
        send(vendor.url, message)

    assert caught.value.retry_after_seconds == seconds


def test_send_refused_connection_is_transient(message: WireMessage, closed_port: int) -> None:
    with pytest.raises(ProviderTransient) as caught:
        send(f"http://127.0.0.1:{closed_port}", message)

    assert caught.value.code == "provider_unreachable"


@pytest.mark.parametrize("behaviour", ["drop", "half"])
def test_send_answer_lost_midway_is_unknown(
    vendor: VendorServer, message: WireMessage, behaviour: str
) -> None:
    vendor.behaviour = behaviour

    with pytest.raises(ProviderUnknown):
        send(vendor.url, message)

    assert len(vendor.seen) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id":7}', b'{"id":""}'])
def test_send_success_without_id_is_unknown(
    vendor: VendorServer, message: WireMessage, body: bytes
) -> None:
    vendor.body = body

    with pytest.raises(ProviderUnknown, match="without a message id"):
        send(vendor.url, message)


def test_send_error_without_json_names_the_status(
    vendor: VendorServer, message: WireMessage
) -> None:
    vendor.status, vendor.body = 500, b"<html>oops</html>"

    with pytest.raises(ProviderTransient) as caught:
        send(vendor.url, message)

    assert caught.value.code == "resend_http_500"


def test_send_attachments_travel_decoded_once(vendor: VendorServer, message: WireMessage) -> None:
    vendor.body = b'{"id":"m1"}'
    files = (
        Attachment(filename="a.txt", content=b"hi", content_type="text/plain"),
        Attachment(filename="i.png", content=b"\x89", content_type="image/png", content_id="c1"),
    )

    send(vendor.url, replace(message, attachments=files))

    assert json.loads(vendor.seen[0].body)["attachments"] == [
        {"filename": "a.txt", "content": "aGk=", "content_type": "text/plain"},
        {"filename": "i.png", "content": "iQ==", "content_type": "image/png", "content_id": "c1"},
    ]


@pytest.fixture
def provider(vendor: VendorServer) -> Iterator[ResendProvider]:
    built = ResendProvider(HttpClient(), api_key="re_secret", base_url=vendor.url)
    yield built
    built.close()


def many(message: WireMessage, count: int) -> list[WireMessage]:
    return [
        replace(message, send_id=UUID(int=n), idempotency_key=f"hs:{n}", to=f"p{n}@example.org")
        for n in range(count)
    ]


def test_send_batch_has_one_key_made_of_all(
    vendor: VendorServer, provider: ResendProvider, message: WireMessage
) -> None:
    vendor.body = b'{"data":[{"id":"m0"},{"id":"m1"}]}'

    receipts = provider.send_batch(many(message, 2))
    provider.send_batch(many(message, 2))
    provider.send_batch(list(reversed(many(message, 2))))

    first, again, other = (seen.headers["idempotency-key"] for seen in vendor.seen)
    assert receipts == [ProviderReceipt(message_id="m0"), ProviderReceipt(message_id="m1")]
    assert vendor.seen[0].path == "/emails/batch"
    assert [m["to"] for m in json.loads(vendor.seen[0].body)] == [
        ["p0@example.org"],
        ["p1@example.org"],
    ]
    assert first == again != other
    assert len(first) <= 256


def test_send_batch_lost_answer_is_asked_for_again_with_the_same_bytes(
    vendor: VendorServer, provider: ResendProvider, message: WireMessage
) -> None:
    vendor.behaviour = "drop"

    with pytest.raises(ProviderUnknown):
        provider.send_batch(many(message, 2))

    assert len(vendor.seen) == 3
    assert len({(seen.headers["idempotency-key"], seen.body) for seen in vendor.seen}) == 1


def test_send_batch_refusal_concerns_the_whole_call_and_is_not_repeated(
    vendor: VendorServer, provider: ResendProvider, message: WireMessage
) -> None:
    vendor.status, vendor.body = 422, b'{"name":"validation_error","message":"bad"}'

    with pytest.raises(ProviderRejected):
        provider.send_batch(many(message, 2))

    assert len(vendor.seen) == 1


@pytest.mark.parametrize("body", [b"{}", b'{"data":[{"id":"m0"}]}', b"[]"])
def test_send_batch_without_an_id_for_each_mail_is_unknown(
    vendor: VendorServer, provider: ResendProvider, message: WireMessage, body: bytes
) -> None:
    vendor.body = body

    with pytest.raises(ProviderUnknown):
        provider.send_batch(many(message, 2))


@pytest.mark.parametrize("status", [429, 500, 401, 422])
def test_send_batch_refused_after_a_lost_answer_stays_in_doubt(
    vendor: VendorServer, provider: ResendProvider, message: WireMessage, status: int
) -> None:
    vendor.behaviour = "drop"
    vendor.status, vendor.body = status, b'{"name":"x"}'
    vendor.then = "answer"

    with pytest.raises(ProviderUnknown):
        provider.send_batch(many(message, 2))

    assert len(vendor.seen) == 2
