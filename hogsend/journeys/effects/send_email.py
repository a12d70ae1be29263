"""Mail from a journey."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn, cast
from uuid import UUID

from hogsend.email.models import SendRequest, SendResult, SendStatus
from hogsend.journeys.effects.keys import find_effect, site_of, step_key
from hogsend.journeys.models import NewWait, WaitKind
from hogsend.journeys.runtime.passage import Passage
from hogsend.journeys.runtime.signals import JourneyError
from hogsend.journeys.runtime.stored import as_stored
from hogsend.journeys.runtime.zone import zone_for_mail
from hogsend.kernel.wire_json import JsonObject, JsonValue

_ASK_AGAIN_SECONDS = 5.0


async def send_email(
    passage: Passage,
    template: str,
    *,
    to: str | None,
    subject: str | None,
    props: Mapping[str, JsonValue] | None,
    label: str | None,
) -> SendResult:
    """Send one template to the person, at most once per place.

    The idempotency key is ``journeySend:<enrollment>:<site>:<template>``; the outcome is recorded
    and answered from the journal ever after. Without an address nothing is sent.
    """
    if not isinstance(template, str) or not template:
        raise JourneyError("ctx.send_email needs the key of a template")
    if props is not None and not isinstance(props, Mapping):
        raise JourneyError(f"the props of ctx.send_email are a dict, not {type(props).__name__}")
    site = site_of(passage, label, template)
    key = step_key(passage, "send", site, template)
    deferral = _pass_deferrals(passage, f"{site}:{template}")
    recorded = find_effect(passage, "send", key, template)
    if recorded is not None:
        return _from_json(cast(JsonObject, recorded.value))
    address = to or passage.enrollment.user_email
    if not address:
        result = SendResult(status="suppressed", reason="no_address")
    else:
        request = _request(passage, template, to=address, subject=subject, props=props, site=site)
        await passage.persist()
        result = await passage.services.offload.effect(passage.services.mailer.send, request)
    if result.status == "deferred" and result.retry_at is not None:
        await _defer(passage, deferral, result.reason or "", result.retry_at)
    if result.status == "held":
        await passage.retry_later(_ASK_AGAIN_SECONDS, "the mail is being sent by somebody else")
    passage.keep(key, "send", _to_json(result))
    passage.log("send", f"send:{site}", template=template, status=result.status)
    return result


def _pass_deferrals(passage: Passage, place: str) -> str:
    """Come past the times this mail had to wait; answers the key of the next such time."""
    while True:
        key = passage.journal.next_key("defer", place)
        if passage.journal.find(key) is None:
            return key


async def _defer(passage: Passage, key: str, reason: str, retry_at: datetime) -> NoReturn:
    """The mail may not go out yet (quiet hours, a provider's rate): wait as any journey waits."""
    kind: WaitKind = "quiet_hours" if reason == "send_window" else "rate_limited"
    label = f"{reason or 'deferred'}:{key.removeprefix('defer:')}"
    passage.log("wait", label, until=retry_at.isoformat())
    await passage.pause(
        NewWait(key=key, kind=kind, label=label, due_at=retry_at, opened_at=passage.real_now())
    )


def _request(
    passage: Passage,
    template: str,
    *,
    to: str,
    subject: str | None,
    props: Mapping[str, JsonValue] | None,
    site: str,
) -> SendRequest:
    enrollment, meta = passage.enrollment, passage.definition.meta
    given = cast(JsonObject, as_stored(f"the props of {template!r}", dict(props or {})))
    injected: JsonObject = {
        "name": given.get("firstName") or enrollment.contact_name or to.partition("@")[0],
        "journeyName": meta.name,
        "eventName": template,
    }
    return SendRequest(
        template=template,
        to=to,
        props={**injected, **given},
        subject=subject,
        idempotency_key=f"journeySend:{enrollment.id}:{site}:{template}",
        user_id=enrollment.user_id,
        contact_id=enrollment.contact_id,
        journey_state_id=enrollment.id,
        journey_id=meta.id,
        min_gap=meta.min_gap,
        timezone=zone_for_mail(passage),
        category=meta.mail_category,
        metadata={"journeyId": meta.id, "site": site, **_cause(enrollment.origin_event_id)},
    )


def _cause(event_id: UUID | None) -> JsonObject:
    """What a mail says of its event, so that it can be followed back without any log."""
    return {} if event_id is None else {"eventId": str(event_id)}


def _to_json(result: SendResult) -> JsonObject:
    return {
        "status": result.status,
        "reason": result.reason,
        "sendId": None if result.send_id is None else str(result.send_id),
        "messageId": result.message_id,
    }


def _from_json(value: JsonObject) -> SendResult:
    send_id = value.get("sendId")
    message_id = value.get("messageId")
    reason = value.get("reason")
    return SendResult(
        status=cast(SendStatus, value["status"]),
        reason=reason if isinstance(reason, str) else None,
        send_id=UUID(send_id) if isinstance(send_id, str) else None,
        message_id=message_id if isinstance(message_id, str) else None,
    )
