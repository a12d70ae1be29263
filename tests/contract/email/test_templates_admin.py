from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from hogsend.db import Database
from hogsend.email import admin
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import ProviderTransient
from tests.contract.data_plane import DataPlane
from tests.fakes.mail import FakeProvider, build, sql

pytestmark = pytest.mark.integration

PREVIEW = "/v1/admin/templates/{}/preview"
SEND_TEST = "/v1/admin/templates/{}/send-test"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def plane(database: Database, provider: FakeProvider, tmp_path: Path) -> DataPlane:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.html").write_text("---\nsubject: Nested\n---\n<p>Nested</p>")
    (tmp_path / "broken.html").write_text("---\nsubject: Hi\n---\n{{ nothing }}")
    mailer = build(database, provider, templates=TemplateRegistry.load([tmp_path]))
    api = admin.TemplatesAdmin(
        mailer=mailer, is_operator=lambda address: address == "op@example.com"
    )
    served = DataPlane(database)
    served.serve(admin.routes(api, served.guards))
    return served


def encode(props: object) -> str:
    return base64.b64encode(json.dumps(props).encode()).decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/admin/templates"),
        ("GET", PREVIEW.format("welcome")),
        ("POST", SEND_TEST.format("welcome")),
    ],
)
def test_templates_need_an_admin_key(plane: DataPlane, method: str, path: str) -> None:
    assert plane.call(method, path, key="")[0] == 401
    assert plane.call(method, path)[0] == 403


def test_templates_list_every_template(plane: DataPlane) -> None:
    status, answer = plane.call("GET", "/v1/admin/templates", key=plane.admin)

    found = {item["key"]: item for item in answer["templates"]}
    assert status == 200
    assert found["churn-payment-failed"] == {
        "key": "churn-payment-failed",
        "defaultSubject": "Your payment did not go through",
        "category": "transactional",
        "hasPreview": True,
    }
    assert found["a/b"]["category"] is None


def test_preview_fills_in_examples_and_given_props(plane: DataPlane, database: Database) -> None:
    query = {"props": encode({"name": "Grace"})}

    status, answer = plane.call("GET", PREVIEW.format("welcome"), key=plane.admin, query=query)

    assert status == 200
    assert (answer["subject"], answer["category"]) == ("Welcome, Grace", "journey")
    assert set(answer) == {"key", "subject", "category", "preview", "html", "text"}
    assert sql(database, "SELECT count(*) FROM email_sends") == [(0,)]


@pytest.mark.parametrize(
    ("form", "content_type", "begins"),
    [("html", "text/html", "<!DOCTYPE html>"), ("text", "text/plain", "Hogsend")],
)
def test_preview_one_body_alone(
    plane: DataPlane, form: str, content_type: str, begins: str
) -> None:
    answer = plane.request(
        "GET", PREVIEW.format("reactivation-checkin"), key=plane.admin, query={"format": form}
    )

    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.text.startswith(begins)


def test_preview_key_with_a_slash_is_one_segment(plane: DataPlane) -> None:
    status, answer = plane.call("GET", PREVIEW.format("a%2Fb"), key=plane.admin)

    assert (status, answer["key"]) == (200, "a/b")


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [
        ("nowhere", {}, 404),
        ("welcome", {"props": "%%%"}, 400),
        ("welcome", {"props": encode([1])}, 400),
        ("welcome", {"format": "pdf"}, 400),
        ("reactivation-checkin", {"props": encode({"returnUrl": "javascript:x"})}, 400),
        ("broken", {}, 500),
    ],
)
def test_preview_refusals(plane: DataPlane, key: str, query: dict[str, str], status: int) -> None:
    answered, answer = plane.call("GET", PREVIEW.format(key), key=plane.admin, query=query)

    assert answered == status
    assert "error" in answer


def test_send_test_goes_to_an_operator_past_every_preference(
    plane: DataPlane, provider: FakeProvider, database: Database
) -> None:
    sql(
        database,
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all) "
        "VALUES ('u1', 'op@example.com', true)",
    )

    status, answer = plane.call(
        "POST",
        SEND_TEST.format("welcome"),
        {"to": "Op@Example.com", "props": {"name": "Ada"}},
        key=plane.admin,
    )

    (message,) = provider.messages
    assert (status, answer["status"]) == (200, "sent")
    assert (message.to, message.subject) == ("op@example.com", "Welcome, Ada")
    assert sql(database, "SELECT id::text FROM email_sends") == [(answer["emailSendId"],)]


def test_send_test_to_anybody_else_is_refused(plane: DataPlane, provider: FakeProvider) -> None:
    path = SEND_TEST.format("welcome")

    status, _ = plane.call("POST", path, {"to": "eve@example.com"}, key=plane.admin)

    assert status == 403
    assert provider.messages == []


def test_send_test_provider_that_refuses_is_said(plane: DataPlane, provider: FakeProvider) -> None:
    provider._script.append(ProviderTransient("busy"))

    status, answer = plane.call(
        "POST", SEND_TEST.format("welcome"), {"to": "op@example.com"}, key=plane.admin
    )

    assert (status, answer["error"]) == (502, "busy")
