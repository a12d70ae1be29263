"""Security cases that every vendor's webhook must pass; test classes inherit them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime

import falcon.testing
import pytest

from hogsend.db import Query
from hogsend.email.feedback import api as feedback_api
from hogsend.email.feedback.base import FeedbackSource
from hogsend.email.feedback.store import SuppressionPolicy
from hogsend.kernel.clock import VirtualClock
from hogsend.kernel.ids import uuid7
from hogsend.web.app import build_app

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class RecordingExecutor:
    """Remembers what reached the database; every report is applied."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []

    def run(self, query: Query, /, **params: object) -> list[tuple[object, ...]]:
        self.calls.append(params)
        return [("applied",)]


class NoNudge:
    def poke(self) -> None:
        pass


class Hook:
    """One vendor's route."""

    def __init__(self, source: FeedbackSource) -> None:
        self.db = RecordingExecutor()
        self.clock = VirtualClock(NOW)
        self.api = feedback_api.FeedbackApi(
            self.db,
            [source],
            policy=SuppressionPolicy(),
            clock=self.clock,
            new_id=uuid7,
            nudge=NoNudge(),
        )
        self.client = falcon.testing.TestClient(build_app(feedback_api.routes(self.api)))
        self.path = f"/v1/webhooks/email/{source.name}"

    def post(self, body: bytes, headers: dict[str, str]) -> falcon.testing.Result:
        return self.client.simulate_post(
            self.path, body=body, headers={"Content-Type": "application/json", **headers}
        )


class WebhookSecurityCases(ABC):
    """A vendor says how it proves itself; nothing may get in without that."""

    body = b"{}"

    @abstractmethod
    def make_source(self, secrets: Sequence[str]) -> FeedbackSource:
        """The source with these secrets; none means it is not configured."""

    @abstractmethod
    def prove(self, secret: str, body: bytes) -> dict[str, str]:
        """Headers of a genuine request."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, str]:
        """Two different secrets."""

    def assert_refused(self, hook: Hook, headers: dict[str, str]) -> None:
        answer = hook.post(self.body, headers)

        assert (answer.status_code, answer.json) == (401, {"error": "Webhook verification failed"})
        assert hook.db.calls == []

    def test_genuine_request_is_accepted(self) -> None:
        hook = Hook(self.make_source(self.secrets[:1]))

        answer = hook.post(self.body, self.prove(self.secrets[0], self.body))

        assert (answer.status_code, answer.json) == (200, {"ok": True})
        assert len(hook.db.calls) == 1

    def test_request_without_proof_is_refused(self) -> None:
        self.assert_refused(Hook(self.make_source(self.secrets[:1])), {})

    def test_request_with_another_secret_is_refused(self) -> None:
        hook = Hook(self.make_source(self.secrets[:1]))

        self.assert_refused(hook, self.prove(self.secrets[1], self.body))

    def test_rotated_secret_is_accepted_while_both_are_configured(self) -> None:
        hook = Hook(self.make_source(self.secrets))

        for secret in self.secrets:
            assert hook.post(self.body, self.prove(secret, self.body)).status_code == 200

    @pytest.mark.parametrize("configured", [(), ("",)])
    def test_unconfigured_vendor_refuses_everything(self, configured: tuple[str, ...]) -> None:
        hook = Hook(self.make_source(configured))

        self.assert_refused(hook, self.prove(self.secrets[0], self.body))
        self.assert_refused(hook, {})

    def test_any_proof_cut_short_is_refused(self) -> None:
        proof = self.prove(self.secrets[0], self.body)
        hook = Hook(self.make_source(self.secrets[:1]))

        for name in proof:
            self.assert_refused(hook, {k: v for k, v in proof.items() if k != name})
            self.assert_refused(hook, proof | {name: proof[name][:-2]})
            self.assert_refused(hook, proof | {name: ""})

    def test_garbage_with_a_genuine_proof_is_a_bad_request(self) -> None:
        hook = Hook(self.make_source(self.secrets[:1]))

        for body in (b"", b"[", b"[]", b'"text"', b"\xff"):
            assert hook.post(body, self.prove(self.secrets[0], body)).status_code == 400
        assert hook.db.calls == []

    def test_unknown_vendor_does_not_exist(self) -> None:
        hook = Hook(self.make_source(self.secrets[:1]))

        answer = hook.client.simulate_post("/v1/webhooks/email/nobody", body=self.body)

        assert (answer.status_code, answer.json) == (404, {"error": "Unknown email provider"})
