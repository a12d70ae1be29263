from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from hogsend.email.attachments import Attachment
from hogsend.email.providers.base import ProviderReceipt, WireMessage
from hogsend.email.providers.postmark import PostmarkOptions, PostmarkProvider
from hogsend.embedded.ports import find_free_port
from hogsend.errors import (
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.net.client import HttpClient, HttpOptions
from tests.providers.conftest import SEND_ID, VendorServer

# The answer the vendor documents for one mail (postmarkapp.com/developer/api/email-api).
ID = "0a129aee-e1cd-480d-b08d-4f48548ff48d"
YES = {
    "To": "ada@example.org",
    "SubmittedAt": "2026-01-02T07:25:01.4178645-05:00",
    "MessageID": ID,
    "ErrorCode": 0,
    "Message": "OK",
}
INACTIVE = {"ErrorCode": 406, "Message": "You tried to send to recipient(s) marked as inactive."}


def build(
    vendor: VendorServer, *, broadcast: str | None = None, read: float = 5
) -> PostmarkProvider:
    http = HttpClient(HttpOptions(read_timeout=timedelta(seconds=read)))
    options = PostmarkOptions(
        server_token="server-token", base_url=vendor.url, broadcast_stream=broadcast
    )
    return PostmarkProvider(http, options)


def answer(vendor: VendorServer, body: object, status: int = 200) -> None:
    vendor.status, vendor.body = status, json.dumps(body).encode()


def test_send_accepted_mail_has_the_documented_shape(
    vendor: VendorServer, message: WireMessage
) -> None:
    answer(vendor, YES)
    file = Attachment(filename="a.txt", content=b"hi", content_type="text/plain", content_id="c1")

    receipt = build(vendor).send(replace(message, attachments=(file,)))

    (seen,) = vendor.seen
    assert receipt == ProviderReceipt(message_id=ID)
    assert seen.path == "/email"
    assert seen.headers["x-postmark-server-token"] == "server-token"
    assert seen.headers["content-type"] == seen.headers["accept"] == "application/json"
    assert json.loads(seen.body) == {
        "From": "Grüße <hello@example.com>",
        "To": "ada@example.org",
        "Subject": "Schöne Grüße",
        "HtmlBody": message.html,
        "TextBody": message.text,
        "ReplyTo": "help@example.com",
        "MessageStream": "outbound",
        "TrackOpens": False,
        "TrackLinks": "None",
        "Headers": [{"Name": "X-Campaign", "Value": "spring"}],
        "Tag": "activation/nudge 1",
        "Metadata": {"hs_send_id": str(SEND_ID), "hs_template": "activation/nudge 1"},
        "Attachments": [
            {
                "Name": "a.txt",
                "Content": "aGk=",
                "ContentType": "text/plain",
                "ContentID": "cid:c1",
            }
        ],
    }


def test_send_without_files_says_nothing_about_them(
    vendor: VendorServer, message: WireMessage
) -> None:
    answer(vendor, YES)

    build(vendor).send(message)

    assert "Attachments" not in json.loads(vendor.seen[0].body)


@pytest.mark.parametrize(
    ("category", "stream"),
    [("transactional", "outbound"), ("news", "broadcast"), (None, "broadcast")],
)
def test_send_broadcast_stream_carries_what_people_can_leave(
    vendor: VendorServer, message: WireMessage, category: str | None, stream: str
) -> None:
    answer(vendor, YES)

    build(vendor, broadcast="broadcast").send(replace(message, category=category))

    assert json.loads(vendor.seen[0].body)["MessageStream"] == stream


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"ErrorCode": 10, "Message": "Bad or missing API token"}, ProviderPermanent),
        (422, {"ErrorCode": 400, "Message": "Sender Signature not found"}, ProviderPermanent),
        (422, {"ErrorCode": 405, "Message": "Not allowed to send"}, ProviderPermanent),
        (422, {"ErrorCode": 412, "Message": "Account is pending"}, ProviderPermanent),
        (422, {"ErrorCode": 300, "Message": "Invalid email request"}, ProviderRejected),
        (422, INACTIVE, ProviderRejected),
        (422, {"ErrorCode": 411, "Message": "Forbidden attachment type"}, ProviderRejected),
        (413, {"ErrorCode": 0, "Message": "too large"}, ProviderRejected),
        (422, {"ErrorCode": 100, "Message": "Maintenance"}, ProviderTransient),
        (429, {"ErrorCode": 429, "Message": "Rate limit exceeded"}, ProviderTransient),
        (500, {"Message": "Internal Server Error"}, ProviderTransient),
        (503, "not an object", ProviderTransient),
        (502, {}, ProviderUnknown),
        (504, {}, ProviderUnknown),
        (200, INACTIVE, ProviderRejected),
        (200, {"ErrorCode": 0, "Message": "OK"}, ProviderUnknown),
        (200, ["?"], ProviderUnknown),
    ],
)
def test_send_refusals_are_told_apart(
    vendor: VendorServer,
    message: WireMessage,
    status: int,
    body: object,
    kind: type[ProviderError],
) -> None:
    answer(vendor, body, status)

    with pytest.raises(ProviderError) as caught:
        build(vendor).send(message)

    assert type(caught.value) is kind
    assert "server-token" not in str(caught.value)


def test_send_retry_after_is_passed_on(vendor: VendorServer, message: WireMessage) -> None:
    answer(vendor, {"ErrorCode": 429, "Message": "slow down"}, 429)
    vendor.headers = {"Retry-After": "17"}

    with pytest.raises(ProviderTransient) as caught:
        build(vendor).send(message)

    assert caught.value.retry_after_seconds == 17


@pytest.mark.parametrize("behaviour", ["drop", "half"])
def test_send_lost_answer_is_unknown(
    vendor: VendorServer, message: WireMessage, behaviour: str
) -> None:
    answer(vendor, YES)
    vendor.behaviour = behaviour

    with pytest.raises(ProviderUnknown):
        build(vendor).send(message)

    assert len(vendor.seen) == 1


def test_send_nobody_listening_is_transient(vendor: VendorServer, message: WireMessage) -> None:
    vendor.url = f"http://127.0.0.1:{find_free_port()}"

    with pytest.raises(ProviderTransient) as caught:
        build(vendor).send(message)

    assert caught.value.code == "provider_unreachable"


def many(message: WireMessage, count: int) -> list[WireMessage]:
    return [replace(message, send_id=UUID(int=n), to=f"p{n}@example.org") for n in range(count)]


def test_send_batch_answers_each_mail_by_itself(vendor: VendorServer, message: WireMessage) -> None:
    answer(vendor, [YES, INACTIVE, YES | {"MessageID": "m3"}])

    first, second, third = build(vendor).send_batch(many(message, 3))

    assert vendor.seen[0].path == "/email/batch"
    assert [mail["To"] for mail in json.loads(vendor.seen[0].body)] == [
        "p0@example.org",
        "p1@example.org",
        "p2@example.org",
    ]
    assert first == ProviderReceipt(message_id=ID)
    assert isinstance(second, ProviderRejected)
    assert third == ProviderReceipt(message_id="m3")


def test_send_batch_is_cut_where_the_vendor_would_refuse_it(
    vendor: VendorServer, message: WireMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogsend.email.providers.postmark._BATCH_BYTES", 1500)
    answer(vendor, [YES])

    answers = build(vendor).send_batch(many(replace(message, html="x" * 1000), 3))

    assert len(vendor.seen) == 3
    assert len(answers) == 3


@pytest.mark.parametrize("body", [{}, [YES], "?"])
def test_send_batch_answer_of_another_length_is_unknown(
    vendor: VendorServer, message: WireMessage, body: object
) -> None:
    answer(vendor, body)

    answers = build(vendor).send_batch(many(message, 2))

    assert [type(a) for a in answers] == [ProviderUnknown, ProviderUnknown]
