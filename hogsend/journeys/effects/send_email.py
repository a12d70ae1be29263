"""Mail from a journey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from hogsend.email.models import SendRequest, SendResult, SendStatus
from hogsend.journeys.effects.keys import site_of, step_key
from hogsend.journeys.runtime.passage import Passage
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
    site = site_of(passage, label, template)
    key = step_key(passage, "send", site, template)
    recorded = passage.journal.find(key)
    if recorded is not None:
        return _from_json(cast(JsonObject, recorded.value))
    address = to or passage.enrollment.user_email
    if not address:
        result = SendResult(status="suppressed", reason="no_address")
    else:
        request = _request(passage, template, to=address, subject=subject, props=props, site=site)
        await passage.persist()
        result = await passage.services.offload.effect(passage.services.mailer.send, request)
    if result.status == "held":
        await passage.retry_later(_ASK_AGAIN_SECONDS, "the mail is being sent by somebody else")
    passage.keep(key, "send", _to_json(result))
    passage.log("send", f"send:{site}", template=template, status=result.status)
    return result


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
    given = dict(props or {})
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
        category=meta.mail_category,
        metadata={"journeyId": meta.id, "site": site},
    )


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
