"""Resend over its HTTP API (https://resend.com/docs/api-reference, observed 2026-11)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import timedelta

from hogsend.email.attachments import Attachment
from hogsend.email.providers.base import (
    Capabilities,
    ProviderDisputed,
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
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.wire_json import JsonObject, JsonValue, dump_bytes, loads
from hogsend.net.client import AnswerLost, HttpClient, HttpResponse, NotSent

_NOT_TAG = re.compile(r"[^A-Za-z0-9_-]")
_TAG_CHARACTERS = 256
_QUOTAS = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
_QUOTA_RETRY_SECONDS = 3600.0
_BATCH_TRIES = 3
# Refusals that concern our configuration, not this mail; the status alone does not tell.
_OUR_FAULT = frozenset({"invalid_from_address", "missing_api_key", "invalid_api_key"})


class ResendProvider:
    """Sends through ``POST /emails``; recognises a repeated key for 24 hours."""

    name = "resend"
    # One hour less than the vendor promises: our clock and theirs may differ.
    capabilities = Capabilities(
        recognises_key_for=timedelta(hours=23),
        test_sender="onboarding@resend.dev",
        attachments=True,
        batch_size=100,
        native_tracking=True,
        scheduled_send=True,
        signed_webhooks=True,
    )

    def __init__(
        self, http: HttpClient, *, api_key: str, base_url: str = "https://api.resend.com"
    ) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/emails"
        self._headers = {
            "authorization": f"Bearer {api_key}",
            "content-type": "application/json",
            "accept": "application/json",
        }

    def send(self, message: WireMessage) -> ProviderReceipt:
        """See EmailProvider.send."""
        answer = self._post(
            self._url, key=message.idempotency_key, body=dump_bytes(build_payload(message))
        )
        return _read_receipt(answer, _read_object(answer.body))

    def send_batch(self, messages: Sequence[WireMessage]) -> list[ProviderReceipt | ProviderError]:
        """``POST /emails/batch``: all or none, under one key made of the sends' ids.

        A lost answer is asked for again here, with the same bytes and the same key: afterwards
        nobody could put the same batch together.
        """
        key = "hs:b:" + sha256_hex("".join(m.idempotency_key for m in messages))
        body = dump_bytes([build_payload(message) for message in messages])
        doubt: ProviderUnknown | None = None
        for _ in range(_BATCH_TRIES):
            try:
                return _read_batch(self._post(f"{self._url}/batch", key=key, body=body), messages)
            except ProviderUnknown as error:
                doubt = error
                if not error.is_retryable:
                    break
            except ProviderError as error:
                # This try was refused; an earlier one that was never answered may be out.
                raise doubt or error from error
        assert doubt is not None
        raise doubt

    def close(self) -> None:
        """Close pooled connections."""
        self._http.close()

    def _post(self, url: str, *, key: str, body: bytes) -> HttpResponse:
        """An answer of success, or the error it stands for."""
        try:
            answer = self._http.request(
                "POST", url, headers={**self._headers, "idempotency-key": key}, body=body
            )
        except NotSent as error:
            raise ProviderTransient(error.message, code="provider_unreachable") from error
        except AnswerLost as error:
            raise ProviderUnknown(error.message) from error
        if 200 <= answer.status < 300:
            return answer
        raise _to_error(answer, _read_object(answer.body))


def build_payload(message: WireMessage) -> JsonObject:
    """The JSON body; keys that say nothing are left out."""
    payload: JsonObject = {
        "from": message.sender,
        "to": [message.to],
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
    }
    if message.reply_to:
        payload["reply_to"] = list(message.reply_to)
    if message.headers:
        payload["headers"] = dict(message.headers)
    if message.tags:
        tags: list[JsonValue] = [
            {"name": _clean_tag(name), "value": _clean_tag(value)}
            for name, value in message.tags.items()
        ]
        payload["tags"] = tags
    if message.attachments:
        payload["attachments"] = [_attachment(file) for file in message.attachments]
    return payload


def _attachment(file: Attachment) -> JsonObject:
    """``path`` is never set: the vendor would fetch it."""
    values: JsonObject = {
        "filename": file.filename,
        "content": base64.b64encode(file.content).decode(),
        "content_type": file.content_type,
    }
    if file.content_id is not None:
        values["content_id"] = file.content_id
    return values


def _clean_tag(text: str) -> str:
    """One foreign character in a tag fails the whole mail with 422."""
    return _NOT_TAG.sub("-", text)[:_TAG_CHARACTERS]


def _read_object(body: bytes) -> JsonObject:
    try:
        parsed = loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _read_receipt(answer: HttpResponse, fields: JsonObject) -> ProviderReceipt:
    message_id = fields.get("id")
    if not isinstance(message_id, str) or not message_id:
        raise ProviderUnknown("Resend answered success without a message id", status=answer.status)
    return ProviderReceipt(message_id=message_id)


def _read_batch(
    answer: HttpResponse, messages: Sequence[WireMessage]
) -> list[ProviderReceipt | ProviderError]:
    entries = _read_object(answer.body).get("data")
    if not isinstance(entries, list) or len(entries) != len(messages):
        raise ProviderUnknown("Resend answered a batch without its ids", status=answer.status)
    receipts: list[ProviderReceipt | ProviderError] = []
    for entry in entries:
        message_id = entry.get("id") if isinstance(entry, dict) else None
        receipts.append(
            ProviderReceipt(message_id=message_id)
            if isinstance(message_id, str) and message_id
            else ProviderUnknown("Resend named no id for a mail of the batch")
        )
    return receipts


def _to_error(answer: HttpResponse, fields: JsonObject) -> ProviderError:
    name = str(fields.get("name") or f"http_{answer.status}")
    kind = _classify(answer.status, name)
    retry_after = read_retry_after(answer.headers.get("retry-after"))
    if name in _QUOTAS:
        retry_after = retry_after or _QUOTA_RETRY_SECONDS
    return kind(
        f"Resend refused the mail ({answer.status} {name}): "
        f"{fields.get('message') or 'no explanation'}",
        code=f"resend_{name}",
        hint="check RESEND_API_KEY and that the domain of EMAIL_FROM is verified at Resend"
        if kind is ProviderPermanent
        else None,
        status=answer.status,
        request_id=answer.headers.get("x-request-id") or answer.headers.get("cf-ray"),
        retry_after_seconds=retry_after,
    )


def _classify(status: int, name: str) -> type[ProviderError]:
    if name == "invalid_idempotent_request":
        return ProviderDisputed
    if name == "concurrent_idempotent_requests" or status in (502, 504):
        # A gateway gave up waiting; the service behind it may have taken the mail.
        return ProviderUnknown
    if status in (408, 429) or status >= 500:
        return ProviderTransient
    if status in (401, 403, 404, 405) or status < 400 or name in _OUR_FAULT:
        return ProviderPermanent
    return ProviderRejected
