from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hogsend.db import Database
from hogsend.email import api as emails_api
from hogsend.email.compose import TestState
from hogsend.kernel.ids import uuid7
from hogsend.preferences.lists import RESERVED
from tests.contract.data_plane import DataPlane
from tests.fakes.mail import OPTIONS, FakeProvider, build, sql

pytestmark = pytest.mark.integration

BODY = {"to": "Ada@Example.org", "template": "welcome", "props": {"name": "Ada"}}
PATH = "/v1/emails"


@dataclass
class Bell:
    rings: int = 0

    def poke(self) -> None:
        self.rings += 1


@dataclass
class Post:
    """The route, its data plane, the provider nobody may call, and the bell of the relay."""

    plane: DataPlane
    provider: FakeProvider = field(default_factory=FakeProvider)
    bell: Bell = field(default_factory=Bell)
    test: TestState = field(default_factory=TestState)

    def __post_init__(self) -> None:
        mailer = build(
            self.plane.db,
            self.provider,
            options=replace(OPTIONS),
            clock=self.plane.clock,
            read_test_state=lambda: self.test,
        )
        api = emails_api.EmailsApi(
            db=self.plane.db,
            mailer=mailer,
            nudge=self.bell,
            is_category=lambda category: category in RESERVED | {"news"},
        )
        self.plane.serve(emails_api.routes(api, self.plane.guards))

    def send(self, body: object = None, **options: Any) -> tuple[int, Any]:
        return self.plane.call("POST", PATH, BODY if body is None else body, **options)


@pytest.fixture
def post(database: Database) -> Post:
    return Post(DataPlane(database))


def contact(db: Database, **values: str) -> str:
    given = {"id": str(uuid7()), **values}
    columns, places = (
        ", ".join(given),
        ", ".join(f"CAST(:{name} AS {_kind(name)})" for name in given),
    )
    sql(db, f"INSERT INTO contacts ({columns}) VALUES ({places})", **given)
    return given["id"]


def _kind(name: str) -> str:
    return "uuid" if name == "id" else "text"


def test_emails_answers_before_the_provider_is_called(post: Post) -> None:
    status, answer = post.send()

    ((send_id, state, user_id, to),) = sql(
        post.plane.db, "SELECT id, status, user_id, to_email FROM email_sends"
    )
    assert (status, answer) == (202, {"emailSendId": str(send_id), "status": "queued"})
    assert (state, user_id, to) == ("queued", "ada@example.org", "ada@example.org")
    assert post.provider.messages == []
    assert post.bell.rings == 1
    assert sql(post.plane.db, "SELECT topic, ref_id, priority FROM outbox") == [
        ("email.send", send_id, 3)
    ]
    assert sql(post.plane.db, "SELECT count(*) FROM contacts") == [(0,)]


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"to": None}, 400, "to or userId is required"),
        ({"skipPreferenceCheck": True}, 403, "skipPreferenceCheck requires a full-admin key"),
        ({"template": "nowhere"}, 400, "Unknown template: nowhere"),
        ({"category": "typo"}, 400, "Unknown category: typo"),
        ({"to": None, "userId": "nobody"}, 404, "No resolvable email for recipient"),
        ({"from": "not a sender"}, 400, "'not a sender' is not a sender address"),
        ({"from": "a@b.co\r\nBcc: eve@example.com"}, 400, "is not a sender address"),
        ({"replyTo": "x\r\nBcc: eve@example.com"}, 400, "is not a sender address"),
    ],
)
def test_emails_refusals_store_nothing(
    post: Post, change: dict[str, object], status: int, error: str
) -> None:
    body = {name: value for name, value in {**BODY, **change}.items() if value is not None}

    answered, answer = post.send(body)

    assert answered == status
    assert error in answer["error"]
    assert sql(post.plane.db, "SELECT count(*) FROM email_sends") == [(0,)]
    assert sql(post.plane.db, "SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        {"to": "nobody"},
        {"template": ""},
        {"props": []},
        {"replyTo": 7},
        {"skipPreferenceCheck": "yes"},
        {"to": "ada\0@example.org"},
    ],
)
def test_emails_bodies_of_the_wrong_shape_are_named(post: Post, change: dict[str, object]) -> None:
    status, answer = post.send({**BODY, **change})

    assert status == 400
    assert "error" in answer
    assert sql(post.plane.db, "SELECT count(*) FROM email_sends") == [(0,)]


def test_emails_wrong_properties_are_the_callers_mistake(post: Post) -> None:
    body = {"to": "ada@example.org", "template": "reactivation-checkin"}

    status, answer = post.send({**body, "props": {"returnUrl": "javascript:alert(1)"}})

    assert status == 400
    assert "returnUrl" in answer["error"]


def test_emails_needs_a_secret_key_with_ingest(post: Post) -> None:
    assert post.send(key="")[0] == 401
    assert post.send(key=post.plane.public)[0] in (401, 403)
    assert post.send(key=post.plane.read_only)[0] == 403


def test_emails_user_id_means_the_address_of_the_contact(post: Post) -> None:
    contact_id = contact(post.plane.db, external_id="u1", email="ada@example.org")

    status, _ = post.send({"userId": "u1", "template": "welcome"})

    ((to, user_id, owner),) = sql(
        post.plane.db, "SELECT to_email, user_id, contact_id::text FROM email_sends"
    )
    assert (status, to, user_id, owner) == (202, "ada@example.org", "u1", contact_id)


def test_emails_address_of_a_contact_is_theirs(post: Post) -> None:
    known = contact(post.plane.db, email="ada@example.org")

    post.send()

    assert sql(post.plane.db, "SELECT user_id, contact_id::text FROM email_sends") == [
        (known, known)
    ]


def test_emails_alias_leads_to_whom_it_belongs_today(post: Post) -> None:
    owner = contact(post.plane.db, external_id="u2", email="new@example.org")
    sql(
        post.plane.db,
        "INSERT INTO contact_aliases (contact_id, alias_kind, alias_value, reason) "
        "VALUES (CAST(:owner AS uuid), 'external', 'old', 'merge')",
        owner=owner,
    )

    post.send({"userId": "old", "template": "welcome"})

    assert sql(post.plane.db, "SELECT to_email, user_id FROM email_sends") == [
        ("new@example.org", "u2")
    ]


def test_emails_contact_without_address_is_not_found(post: Post) -> None:
    contact(post.plane.db, external_id="u1")

    assert post.send({"userId": "u1", "template": "welcome"})[0] == 404


def test_emails_stopped_mail_says_why(post: Post) -> None:
    sql(
        post.plane.db,
        "INSERT INTO email_preferences (user_id, email, categories, unsubscribed_all) "
        "VALUES ('u1', 'ada@example.org', '{\"news\": false}', false)",
    )

    status, answer = post.send({**BODY, "category": "news"})

    assert status == 202
    assert (answer["status"], answer["reason"]) == ("unsubscribed", "category_unsubscribed")
    assert post.bell.rings == 0


def test_emails_test_mode_without_inbox_says_why(post: Post) -> None:
    post.test = TestState(is_active=True)

    _, answer = post.send()

    assert (answer["status"], answer["reason"]) == ("skipped", "test_mode_blocked")


def test_emails_privileged_key_may_skip_the_preference_check(post: Post) -> None:
    sql(
        post.plane.db,
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all) "
        "VALUES ('u1', 'ada@example.org', true)",
    )

    _, answer = post.send({**BODY, "skipPreferenceCheck": True}, key=post.plane.admin)

    assert answer["status"] == "queued"


@pytest.mark.parametrize(
    ("headers", "field_key", "stored"),
    [({}, "k1", "api:k1"), ({"Idempotency-Key": "h"}, "k1", "api:h"), ({}, None, "send:")],
)
def test_emails_idempotency_header_wins_and_keys_have_their_own_space(
    post: Post, headers: dict[str, str], field_key: str | None, stored: str
) -> None:
    body = {**BODY, "idempotencyKey": field_key} if field_key else BODY

    _, first = post.send(body, headers=headers)
    _, second = post.send(body, headers=headers)

    keys = sql(post.plane.db, "SELECT idempotency_key FROM email_sends")
    assert all(key.startswith(stored) for (key,) in keys)
    assert (first == second) is (field_key is not None)
    assert len(keys) == (1 if field_key else 2)


@pytest.mark.parametrize(
    ("ledger", "reason", "wire"),
    [
        ("sent", None, {"status": "sent"}),
        ("delivered", None, {"status": "sent"}),
        ("bounced", "x", {"status": "sent"}),
        ("unknown", "answer_lost", {"status": "queued", "reason": "outcome_unknown"}),
        ("queued", None, {"status": "queued"}),
    ],
)
def test_emails_repeated_key_answers_what_became_of_it(
    post: Post, ledger: str, reason: str | None, wire: dict[str, str]
) -> None:
    body = {**BODY, "idempotencyKey": "k1"}
    post.send(body)
    sql(
        post.plane.db,
        "UPDATE email_sends SET status = :ledger, reason = :reason, handed_over_at = now()"
        if ledger != "queued"
        else "UPDATE email_sends SET status = :ledger, reason = :reason",
        ledger=ledger,
        reason=reason,
    )

    _, answer = post.send(body)

    answer.pop("emailSendId")
    assert answer == wire
    assert sql(post.plane.db, "SELECT count(*) FROM email_sends") == [(1,)]


def test_emails_thirty_a_minute_for_each_key(post: Post) -> None:
    statuses = [post.send({"template": "x"})[0] for _ in range(31)]

    assert statuses == [400] * 30 + [429]
