"""Postmark over its HTTP API (postmarkapp.com/developer/api/email-api, observed 2026-11)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from hogsend.email.attachments import Attachment
from hogsend.email.policy import TRANSACTIONAL
from hogsend.email.providers.base import (
    Capabilities,
    ProviderReceipt,
    WireMessage,
    read_retry_after,
)
from hogsend.errors import (
    ProviderError,
    ProviderPermanent,
    ProviderRejected,
    ProviderTransient,
    ProviderUnknown,
)
from hogsend.kernel.wire_json import JsonObject, JsonValue, dump_bytes, loads
from hogsend.net.client import AnswerLost, HttpClient, HttpResponse, NotSent

# Error codes of the API that concern one mail: invalid request, recipient the vendor suppresses,
# forbidden attachment. Every other code is about the account, the sender or our program.
_THIS_MAIL = frozenset({300, 406, 411})
_FOR_NOW = frozenset({100, 429})  # maintenance, rate limit
_METADATA_NAME = 20
_METADATA_VALUE = 80
_BATCH_BYTES = 50 * 1024 * 1024
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmarkOptions:
    """``broadcast_stream`` None: every mail goes to ``message_stream``.

    With it, mail that a person can opt out of goes to the broadcast stream, as the vendor's terms
    ask, and transactional mail to the other.
    """

    server_token: str = field(repr=False)
    message_stream: str = "outbound"
    broadcast_stream: str | None = None
    base_url: str = "https://api.postmarkapp.com"


class PostmarkProvider:
    """``POST /email`` and ``/email/batch``. Recognises no repeated mail: a lost answer is unknown.

    The send id travels as metadata and comes back in every webhook.
    """

    name = "postmark"
    capabilities = Capabilities(attachments=True, batch_size=500)

    def __init__(self, http: HttpClient, options: PostmarkOptions) -> None:
        self._http = http
        self._options = options
        self._url = f"{options.base_url.rstrip('/')}/email"
        self._headers = {
            "x-postmark-server-token": options.server_token,
            "content-type": "application/json",
            "accept": "application/json",
        }

    def send(self, message: WireMessage) -> ProviderReceipt:
        """See EmailProvider.send."""
        answer, parsed = self._post(self._url, dump_bytes(self._payload(message)))
        receipt = _read_answer(parsed, status=answer.status)
        if isinstance(receipt, ProviderError):
            raise receipt
        return receipt

    def send_batch(self, messages: Sequence[WireMessage]) -> list[ProviderReceipt | ProviderError]:
        """Each mail has its own answer: some of a batch may be refused."""
        answers: list[ProviderReceipt | ProviderError] = []
        for bodies in _chunks([dump_bytes(self._payload(m)) for m in messages]):
            answers += self._send_chunk(bodies)
        return answers

    def close(self) -> None:
        """Close pooled connections."""
        self._http.close()

    def _send_chunk(self, bodies: Sequence[bytes]) -> list[ProviderReceipt | ProviderError]:
        try:
            answer, parsed = self._post(f"{self._url}/batch", b"[" + b",".join(bodies) + b"]")
        except ProviderError as error:
            # An earlier chunk of the same call may be out: its answers must not be lost.
            return [error] * len(bodies)
        if not isinstance(parsed, list) or len(parsed) != len(bodies):
            return [ProviderUnknown("Postmark answered a batch in an unknown form")] * len(bodies)
        return [_read_answer(entry, status=answer.status) for entry in parsed]

    def _post(self, url: str, body: bytes) -> tuple[HttpResponse, JsonValue]:
        try:
            answer = self._http.request("POST", url, headers=self._headers, body=body)
        except NotSent as error:
            raise ProviderTransient(error.message, code="provider_unreachable") from error
        except AnswerLost as error:
            raise ProviderUnknown(error.message) from error
        parsed = _parse(answer.body)
        if 200 <= answer.status < 300:
            return answer, parsed
        raise _to_error(answer, parsed if isinstance(parsed, dict) else {})

    def _payload(self, message: WireMessage) -> JsonObject:
        options = self._options
        is_broadcast = options.broadcast_stream and message.category != TRANSACTIONAL
        stream = options.broadcast_stream if is_broadcast else options.message_stream
        return build_payload(message, stream=stream or options.message_stream)


def build_payload(message: WireMessage, *, stream: str) -> JsonObject:
    """The JSON body; the vendor's own tracking is off, whatever the server's default is."""
    payload: JsonObject = {
        "From": message.sender,
        "To": message.to,
        "Subject": message.subject,
        "HtmlBody": message.html,
        "TextBody": message.text,
        "MessageStream": stream,
        "TrackOpens": False,
        "TrackLinks": "None",
    }
    if message.reply_to:
        payload["ReplyTo"] = ",".join(message.reply_to)
    if message.headers:
        headers: list[JsonValue] = [
            {"Name": name, "Value": value} for name, value in message.headers.items()
        ]
        payload["Headers"] = headers
    if message.tags:
        payload["Tag"] = message.tags.get("hs_template") or next(iter(message.tags.values()))
        payload["Metadata"] = {
            name[:_METADATA_NAME]: value[:_METADATA_VALUE] for name, value in message.tags.items()
        }
    if message.attachments:
        payload["Attachments"] = [_attachment(file) for file in message.attachments]
    return payload


def _attachment(file: Attachment) -> JsonObject:
    return {
        "Name": file.filename,
        "Content": base64.b64encode(file.content).decode(),
        "ContentType": file.content_type,
        "ContentID": None if file.content_id is None else f"cid:{file.content_id}",
    }


def _chunks(bodies: Sequence[bytes]) -> list[list[bytes]]:
    """Parts of at most 50 MB, the vendor's limit for one call."""
    chunks: list[list[bytes]] = [[]]
    size = 0
    for body in bodies:
        if chunks[-1] and size + len(body) > _BATCH_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(body)
        size += len(body) + 1
    return chunks


def _parse(body: bytes) -> JsonValue:
    try:
        return loads(body)
    except ValueError:
        return None


def _read_answer(entry: JsonValue, *, status: int) -> ProviderReceipt | ProviderError:
    """One mail's answer inside an answer of success."""
    if not isinstance(entry, dict):
        return ProviderUnknown("Postmark answered success in an unknown form", status=status)
    code = entry.get("ErrorCode")
    message_id = entry.get("MessageID")
    if code == 0 and isinstance(message_id, str) and message_id:
        return ProviderReceipt(message_id=message_id)
    if not isinstance(code, int) or code == 0:
        return ProviderUnknown("Postmark answered success without a message id", status=status)
    kind: type[ProviderError] = ProviderPermanent
    if code in _THIS_MAIL:
        kind = ProviderRejected
    elif code in _FOR_NOW:
        kind = ProviderTransient
    return _make(kind, code=code, message=entry.get("Message"), status=status)


def _to_error(answer: HttpResponse, fields: JsonObject) -> ProviderError:
    code = fields.get("ErrorCode")
    kind = _classify(answer.status, code if isinstance(code, int) else None)
    return _make(
        kind,
        code=code if isinstance(code, int) else None,
        message=fields.get("Message"),
        status=answer.status,
        request_id=answer.headers.get("x-request-id") or answer.headers.get("cf-ray"),
        retry_after=read_retry_after(answer.headers.get("retry-after")),
    )


def _make(
    kind: type[ProviderError],
    *,
    code: int | None,
    message: JsonValue,
    status: int,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> ProviderError:
    name = str(code) if code is not None else f"http_{status}"
    if kind is ProviderTransient and status == 429:
        retry_after = retry_after or _RETRY_SECONDS
    return kind(
        f"Postmark refused the mail ({status}, error {name}): {message or 'no explanation'}",
        code=f"postmark_{name}",
        hint="check POSTMARK_SERVER_TOKEN and that the sender of EMAIL_FROM is confirmed"
        if kind is ProviderPermanent
        else None,
        status=status,
        request_id=request_id,
        retry_after_seconds=retry_after,
    )


def _classify(status: int, code: int | None) -> type[ProviderError]:
    if status in (502, 504):
        # A gateway gave up waiting; the service behind it may have taken the mail.
        return ProviderUnknown
    if status in (408, 429) or status >= 500 or code in _FOR_NOW:
        return ProviderTransient
    if status == 413 or code in _THIS_MAIL:
        return ProviderRejected
    return ProviderPermanent
