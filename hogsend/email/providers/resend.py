"""Resend over its HTTP API (https://resend.com/docs/api-reference, observed 2026-11)."""

from __future__ import annotations

import re
from datetime import timedelta

from hogsend.email.providers.base import (
    Capabilities,
    ProviderDisputed,
    ProviderReceipt,
    WireMessage,
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

_NOT_TAG = re.compile(r"[^A-Za-z0-9_-]")
_TAG_CHARACTERS = 256
_QUOTAS = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
_QUOTA_RETRY_SECONDS = 3600.0
# Refusals that concern our configuration, not this mail; the status alone does not tell.
_OUR_FAULT = frozenset({"invalid_from_address", "missing_api_key", "invalid_api_key"})


class ResendProvider:
    """Sends through ``POST /emails``; recognises a repeated key for 24 hours."""

    name = "resend"
    # One hour less than the vendor promises: our clock and theirs may differ.
    capabilities = Capabilities(
        recognises_key_for=timedelta(hours=23), test_sender="onboarding@resend.dev"
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
        try:
            answer = self._http.request(
                "POST",
                self._url,
                headers={**self._headers, "idempotency-key": message.idempotency_key},
                body=dump_bytes(build_payload(message)),
            )
        except NotSent as error:
            raise ProviderTransient(error.message, code="provider_unreachable") from error
        except AnswerLost as error:
            raise ProviderUnknown(error.message) from error
        fields = _read_object(answer.body)
        if 200 <= answer.status < 300:
            return _read_receipt(answer, fields)
        raise _to_error(answer, fields)

    def close(self) -> None:
        """Close pooled connections."""
        self._http.close()


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
        payload["reply_to"] = message.reply_to
    if message.headers:
        payload["headers"] = dict(message.headers)
    if message.tags:
        tags: list[JsonValue] = [
            {"name": _clean_tag(name), "value": _clean_tag(value)}
            for name, value in message.tags.items()
        ]
        payload["tags"] = tags
    return payload


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


def _to_error(answer: HttpResponse, fields: JsonObject) -> ProviderError:
    name = str(fields.get("name") or f"http_{answer.status}")
    kind = _classify(answer.status, name)
    retry_after = _read_seconds(answer.headers.get("retry-after"))
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


def _read_seconds(value: str | None) -> float | None:
    """Retry-After in seconds; the HTTP-date form is not used by this vendor and ignored."""
    try:
        seconds = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
