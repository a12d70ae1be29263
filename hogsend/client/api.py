"""The client: one object per server and key, one attribute per resource."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from hogsend.client.models import (
    BatchItem,
    Contact,
    EmailResult,
    Event,
    EventResult,
    Properties,
    Upserted,
)
from hogsend.client.people import Groups, Lists
from hogsend.client.transport import Options, Transport


class Hogsend:
    """A server at ``base_url``, spoken to with a secret key. Thread-safe; keep one per process.

    Every call that writes is safe to repeat and is repeated by itself; see ``Options``.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        options: Options | None = None,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = Transport(
            base_url,
            api_key,
            options=options or Options(),
            headers=headers or {},
            sleep=sleep,
            jitter=jitter,
        )
        self.events = Events(self._transport)
        self.contacts = Contacts(self._transport)
        self.emails = Emails(self._transport)
        self.lists = Lists(self._transport)
        self.groups = Groups(self._transport)

    def close(self) -> None:
        """Drop the connections."""
        self._transport.close()

    def __enter__(self) -> Hogsend:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Events:
    """What happened."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(
        self,
        name: str,
        *,
        user_id: str | None = None,
        email: str | None = None,
        properties: Properties | None = None,
        contact_properties: Properties | None = None,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> EventResult:
        """Send one event; ``more`` are the other fields of Event."""
        return self.send_event(
            Event(
                name=name,
                user_id=user_id,
                email=email,
                properties=properties or {},
                contact_properties=contact_properties,
                idempotency_key=idempotency_key,
                **more,
            )
        )

    def send_event(self, event: Event) -> EventResult:
        """Send one event."""
        body = self._transport.request(
            "POST", "/v1/events", body=event.as_body(), idempotency_key=event.idempotency_key
        )
        return EventResult.read(body)

    def send_many(
        self, events: Sequence[Event], *, idempotency_key: str | None = None
    ) -> list[BatchItem]:
        """Send up to 500 events; answers keep the order and one bad event stops no other."""
        return self.send_bodies([e.as_body() for e in events], idempotency_key=idempotency_key)

    def send_bodies(
        self, bodies: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[BatchItem]:
        """As ``send_many``, for events in the form of the wire."""
        answer = self._transport.request(
            "POST",
            "/v1/events/batch",
            body={"events": list(bodies)},
            idempotency_key=idempotency_key,
        )
        return [
            BatchItem(
                status=item["status"],
                result=EventResult.read(item) if item["status"] == 202 else None,
                error=item.get("error"),
            )
            for item in answer["results"]
        ]


class Contacts:
    """People."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upsert(
        self,
        *,
        user_id: str | None = None,
        email: str | None = None,
        anonymous_id: str | None = None,
        properties: Properties | None = None,
        lists: Mapping[str, bool] | None = None,
        timezone: str | None = None,
        idempotency_key: str | None = None,
    ) -> Upserted:
        """Find or make a person and lay properties over theirs (None deletes one)."""
        _check_named(user_id, email)
        body = self._transport.request(
            "PUT",
            "/v1/contacts",
            body=_given(
                userId=user_id,
                email=email,
                anonymousId=anonymous_id,
                properties=properties,
                lists=lists,
                timezone=timezone,
            ),
            idempotency_key=idempotency_key,
        )
        return Upserted(id=body["id"], created=body["created"], linked=body["linked"])

    def find(self, *, user_id: str | None = None, email: str | None = None) -> list[Contact]:
        """Everybody the keys name; perhaps nobody."""
        body = self._transport.request(
            "GET", "/v1/contacts/find", query={"userId": user_id, "email": email}
        )
        return [Contact.read(found) for found in body["contacts"]]

    def delete(self, *, user_id: str | None = None, email: str | None = None) -> None:
        """Delete a person; their history stays. Raises NotFound."""
        _check_named(user_id, email)
        self._transport.request("DELETE", "/v1/contacts", body=_given(userId=user_id, email=email))


class Emails:
    """Single mails."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(
        self,
        template: str,
        *,
        to: str | None = None,
        user_id: str | None = None,
        props: Properties | None = None,
        subject: str | None = None,
        sender: str | None = None,
        reply_to: str | Sequence[str] | None = None,
        category: str | None = None,
        skip_preference_check: bool = False,
        idempotency_key: str | None = None,
    ) -> EmailResult:
        """Send a template to an address, or to the address of a user."""
        if not (to or user_id):
            raise TypeError("a mail needs to or user_id")
        body = self._transport.request(
            "POST",
            "/v1/emails",
            body=_given(
                template=template,
                to=to,
                userId=user_id,
                props=props,
                subject=subject,
                **{"from": sender},
                replyTo=reply_to,
                category=category,
                skipPreferenceCheck=skip_preference_check or None,
            ),
            idempotency_key=idempotency_key,
        )
        return EmailResult(
            send_id=body["emailSendId"] or None, status=body["status"], reason=body.get("reason")
        )


def _check_named(user_id: str | None, email: str | None) -> None:
    if not (user_id or email):
        raise TypeError("user_id or email is required")


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
