"""A provider that follows a script, and a mailer around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hogsend.db import Executor, Query
from hogsend.db.errors import DatabaseUnavailable
from hogsend.email import SendRequest
from hogsend.email.mailer import Mailer, MailerOptions
from hogsend.email.providers.base import Capabilities, EmailProvider, ProviderReceipt, WireMessage
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import ProviderError
from hogsend.kernel.clock import Clock, SystemClock
from hogsend.kernel.ids import uuid7

OPTIONS = MailerOptions(sender="Hogsend <hello@example.com>")
REQUEST = SendRequest(template="welcome", to="Ada@Example.org ", idempotency_key="k1")
RECOGNISING = Capabilities(recognises_key_for=timedelta(hours=1))
TEMPLATES = TemplateRegistry.load()


class Killed(BaseException):
    """The process dies here."""


class FakeProvider:
    """Does what the next entry of the script says; says yes when the script is over."""

    name = "fake"

    def __init__(
        self,
        *script: BaseException | Callable[[WireMessage], None],
        capabilities: Capabilities | None = None,
    ) -> None:
        self.capabilities = capabilities or Capabilities()
        self.messages: list[WireMessage] = []
        self._script = list(script)
        self._lock = threading.Lock()

    def send(self, message: WireMessage) -> ProviderReceipt:
        with self._lock:
            self.messages.append(message)
            step = self._script.pop(0) if self._script else None
            number = len(self.messages)
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            step(message)
        return ProviderReceipt(message_id=f"m{number}")

    def close(self) -> None:
        pass


class CountingExecutor:
    """Counts statements and fails those a test names, once per entry."""

    def __init__(self, inner: Executor, failing: Sequence[str] = ()) -> None:
        self._inner = inner
        self.failing = list(failing)
        self.names: list[str] = []

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        self.names.append(query.name)
        if query.name in self.failing:
            self.failing.remove(query.name)
            raise DatabaseUnavailable("gone")
        return self._inner.run(query, **params)


def build(
    db: Executor,
    provider: EmailProvider,
    *,
    options: MailerOptions = OPTIONS,
    templates: TemplateRegistry = TEMPLATES,
    clock: Clock | None = None,
    **rest: Any,
) -> Mailer:
    return Mailer(
        db,
        provider=provider,
        templates=templates,
        options=options,
        clock=clock or SystemClock(),
        new_id=uuid7,
        **rest,
    )


def sql(db: Executor, text: str, **params: object) -> list[tuple[Any, ...]]:
    return db.run(Query.parse("test", text), **params)


def expire_lease(db: Executor) -> None:
    sql(db, "UPDATE email_sends SET claimed_until = now() - interval '1 second'")


class FakeBatchProvider(FakeProvider):
    """Takes ten mails in one call; the script has one entry per call."""

    name = "fake-batch"

    def __init__(
        self,
        *script: BaseException | Callable[[WireMessage], None],
        answers: Callable[[WireMessage], ProviderReceipt | ProviderError] | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        super().__init__(*script, capabilities=capabilities or Capabilities(batch_size=10))
        self.calls: list[int] = []
        self._answers = answers

    def send_batch(self, messages: Sequence[WireMessage]) -> list[ProviderReceipt | ProviderError]:
        with self._lock:
            self.calls.append(len(messages))
            self.messages += messages
            step = self._script.pop(0) if self._script else None
        if isinstance(step, BaseException):
            raise step
        if self._answers is not None:
            return [self._answers(message) for message in messages]
        return [ProviderReceipt(message_id=f"b-{message.send_id}") for message in messages]
