"""Takes every mail instead of a provider, with the gates that would stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from hogsend.email.compose import TemplateSet
from hogsend.email.gates import GateInput, applicable_gates
from hogsend.email.ledger_rows import LedgerRow
from hogsend.email.models import SendRequest, SendResult
from hogsend.email.policy import SendPolicy
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.clock import Clock
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.testing.people import Person

_STORED = frozenset({"suppressed", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as the person would have got it; ``props`` are those the journey gave, and ours."""

    template: str
    to: str
    subject: str
    html: str
    text: str
    props: Mapping[str, JsonValue]
    category: str | None
    user_id: str | None
    journey_id: str | None
    sent_at: datetime
    id: UUID = field(default_factory=uuid7)


@dataclass(slots=True, kw_only=True)
class Mailbox:
    """Stands in for the mailer: templates are rendered, gates asked, repeated keys recognised.

    Iterate over it for the mails that went out; ``stopped`` are those a gate refused. Set
    ``opened_at`` and ``clicked_at`` by the id of a mail.
    """

    templates: TemplateSet
    clock: Clock
    find_person: Callable[[str], Person | None]
    policy: SendPolicy = field(default_factory=SendPolicy)
    mails: list[Mail] = field(default_factory=list)
    stopped: list[tuple[SendRequest, SendResult]] = field(default_factory=list)
    opened_at: dict[UUID, datetime] = field(default_factory=dict)
    clicked_at: dict[UUID, datetime] = field(default_factory=dict)
    on_mail: Callable[[SendRequest, SendResult], None] | None = None
    results: dict[str, SendResult] = field(default_factory=dict)
    _troubles: list[Exception] = field(default_factory=list)

    def __iter__(self) -> Iterator[Mail]:
        return iter(self.mails)

    def __len__(self) -> int:
        return len(self.mails)

    def fail_next(self, *errors: Exception) -> None:
        """What the provider answers to the next mails, such as ProviderTransient("busy")."""
        self._troubles += errors

    def find(self, template: str) -> Sequence[Mail]:
        """Every mail made of one template."""
        return [mail for mail in self.mails if mail.template == template]

    def send(self, request: SendRequest) -> SendResult:
        """What ``Mailer.send`` does."""
        known = self.results.get(request.idempotency_key or "")
        if known is not None:
            return known
        rendered = self.templates.render(request.template, request.props, subject=request.subject)
        person = normalize_email(request.to) or request.to
        result = self._ask_gates(request, person, rendered.category)
        if result is None:
            if self._troubles:
                raise self._troubles.pop(0)
            mail = Mail(
                template=request.template,
                to=person,
                subject=rendered.subject,
                html=rendered.html,
                text=rendered.text,
                props=dict(request.props),
                category=request.category or rendered.category,
                user_id=request.user_id,
                journey_id=_journey_of(request),
                sent_at=self.clock.now(),
            )
            self.mails.append(mail)
            result = SendResult(status="sent", send_id=mail.id, message_id=f"test-{mail.id}")
        else:
            self.stopped.append((request, result))
        if request.idempotency_key and result.status not in ("deferred", "skipped"):
            self.results[request.idempotency_key] = result
        if self.on_mail is not None:
            self.on_mail(request, result)
        return result

    def _ask_gates(
        self, request: SendRequest, address: str, template_category: str | None
    ) -> SendResult | None:
        window = self.policy.window
        given = GateInput(
            request=request,
            person=address,
            category=request.category or template_category,
            policy=self.policy,
            window_opens_at=window.opens_at(self.clock.now(), timezone=request.timezone)
            if window
            else None,
        )
        for gate in applicable_gates(given):
            assert isinstance(gate, dict)
            if self._stops(gate, given):
                return _stopped_by(gate, given, now=self.clock.now())
        return None

    def _stops(self, gate: JsonObject, given: GateInput) -> bool:
        person = self.find_person(given.person)
        match gate["reason"]:
            case "suppressed":
                return person is not None and person.suppressed
            case "unsubscribed":
                return person is not None and person.unsubscribed
            case "category_unsubscribed":
                chosen = person.categories.get(given.category or "") if person else None
                return chosen is not True if gate["opt_in"] is True else chosen is False
            case "frequency_capped":
                count = self._sent_since(given.person, gate, category=gate["category"])
                return count >= _number(gate["count"])
            case "journey_suppressed":
                return self._sent_since(given.person, gate, journey_id=gate["journey"]) > 0
        return True  # decided by Python already

    def _sent_since(
        self,
        address: str,
        gate: JsonObject,
        *,
        category: JsonValue = None,
        journey_id: JsonValue = None,
    ) -> int:
        since = self.clock.now() - timedelta(seconds=_number(gate["seconds"]))
        return sum(
            mail.to == address
            and mail.sent_at > since
            and (category is None or mail.category == category)
            and (journey_id is None or mail.journey_id == journey_id)
            for mail in self.mails
        )


def _stopped_by(gate: JsonObject, given: GateInput, *, now: datetime) -> SendResult:
    effect = str(gate["effect"])
    row = LedgerRow(
        id=uuid7() if effect in _STORED else None,
        status=effect,
        reason=str(gate["reason"]),
        message_id=None,
        created_at=now,
        is_mine=False,
        is_uncertain=False,
    )
    return row.to_result(retry_at=given.window_opens_at)


def _journey_of(request: SendRequest) -> str | None:
    journey_id = request.journey_id or request.metadata.get("journeyId")
    return journey_id if isinstance(journey_id, str) else None


def _number(value: JsonValue) -> float:
    assert isinstance(value, int | float)
    return value
