"""Mail: rendering, and whole sends with gates, ledger and links to a sink on this machine."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from hogsend.db import Database, DatabaseOptions, Executor, Query
from hogsend.email import SendRequest
from hogsend.email.mailer import Mailer, MailerOptions
from hogsend.email.providers.base import EmailProvider
from hogsend.email.providers.resend import ResendProvider
from hogsend.email.providers.smtp import SmtpOptions, SmtpProvider
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.net.client import HttpClient
from hogsend.tracking.rewrite import LinkRewriter
from tests.acceptance.engines import LocalEngine
from tests.benchmarks.loadgen import percentile
from tests.benchmarks.mail_sinks import running_sink
from tests.benchmarks.report import Result
from tests.benchmarks.stack import Stack

_SECONDS = float(os.environ.get("HOGSEND_BENCH_SECONDS", "5"))
_TEMPLATES = ("welcome", "retention-weekly-digest", "feedback-nps-survey")
_DIGEST = "retention-weekly-digest"
_OPTIONS = MailerOptions(sender="Bench <us@example.com>")


class Counting:
    """Counts statements on their way."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self.count = 0

    def run(self, query: Query, /, **params: object) -> list[tuple[Any, ...]]:
        with self._lock:
            self.count += 1
        return self._inner.run(query, **params)


def run(stack: Stack) -> Iterator[Result]:
    """Renders; then sends over HTTP one by one and in batches, over SMTP, and promises."""
    # Lines about single sends would measure the terminal.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    templates = TemplateRegistry.load()
    yield from _renders(templates)
    with stack.instance(LocalEngine(namespace="")) as instance:
        db = Database(DatabaseOptions(url=instance.dsn, pool_size=12))
        try:
            with running_sink("http") as url:
                yield from _http(db, templates, url)
            with running_sink("smtp") as port:
                yield from _smtp(db, templates, int(port))
        finally:
            db.close()


def _renders(templates: TemplateRegistry) -> Iterator[Result]:
    for key in _TEMPLATES:
        props = templates.get_definition(key).examples
        size = len(templates.render(key, props).html)
        times = _repeat(partial(templates.render, key, props), _SECONDS / 2)
        yield _result(f"render {key}", times, 1, notes={"bytes": size})


def _http(db: Database, templates: TemplateRegistry, url: str) -> Iterator[Result]:
    def resend() -> EmailProvider:
        return ResendProvider(HttpClient(), api_key="re_x", base_url=url)

    for threads in (1, 8):
        yield _sends(
            db, templates, resend(), threads=threads, name=f"send, HTTP, {threads} threads"
        )
    yield _batches(db, templates, resend(), name="send, HTTP, batches of 100")
    yield _promises(db, templates, resend())


def _smtp(db: Database, templates: TemplateRegistry, port: int) -> Iterator[Result]:
    for threads in (1, 8):
        options = SmtpOptions(host="127.0.0.1", port=port, security="none", pool_size=threads)
        yield _sends(
            db, templates, SmtpProvider(options), threads=threads,
            name=f"send, SMTP, {threads} threads",
        )  # fmt: skip


def _mailer(db: Executor, templates: TemplateRegistry, provider: EmailProvider) -> Mailer:
    return Mailer(
        db,
        provider=provider,
        templates=templates,
        options=_OPTIONS,
        clock=SystemClock(),
        new_id=uuid7,
        decorators=[LinkRewriter("https://mail.example.com")],
    )


def _request() -> SendRequest:
    name = uuid7().hex
    return SendRequest(
        template=_DIGEST,
        to=f"{name}@example.org",
        user_id=name,
        category="news",
        idempotency_key=name,
        props={"dashboardUrl": "https://example.com/studio", "tip": "Send on Tuesday."},
    )


def _sends(
    db: Database, templates: TemplateRegistry, provider: EmailProvider, *, threads: int, name: str
) -> Result:
    counting = Counting(db)
    mailer = _mailer(counting, templates, provider)

    def send() -> None:
        assert mailer.send(_request()).status == "sent"

    for _ in range(20):
        send()
    counting.count = 0
    times, elapsed = _in_threads(send, threads)
    mailer.close()
    return _result(name, times, 1, elapsed=elapsed, statements=counting.count)


def _batches(
    db: Database, templates: TemplateRegistry, provider: EmailProvider, *, name: str
) -> Result:
    counting = Counting(db)
    mailer = _mailer(counting, templates, provider)

    def send() -> None:
        answers = mailer.send_many([_request() for _ in range(100)])
        assert all(getattr(answer, "status", "") == "sent" for answer in answers)

    send()
    counting.count = 0
    times = _repeat(send, _SECONDS)
    mailer.close()
    return _result(name, times, 100, statements=counting.count)


def _promises(db: Database, templates: TemplateRegistry, provider: EmailProvider) -> Result:
    counting = Counting(db)
    mailer = _mailer(counting, templates, provider)

    def promise() -> None:
        assert mailer.enqueue(_request()).status == "queued"

    promise()
    counting.count = 0
    times = _repeat(promise, _SECONDS)
    mailer.close()
    return _result("promise (POST /v1/emails without HTTP)", times, 1, statements=counting.count)


def _repeat(call: Callable[[], object], seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        call()
        times.append(time.perf_counter() - start)
    return times


def _in_threads(call: Callable[[], object], threads: int) -> tuple[list[float], float]:
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda _: _repeat(call, _SECONDS), range(threads)))
    return [t for part in parts for t in part], time.perf_counter() - start


def _result(
    name: str,
    times: Sequence[float],
    each: int,
    *,
    elapsed: float | None = None,
    statements: int | None = None,
    notes: dict[str, Any] | None = None,
) -> Result:
    ordered = sorted(t * 1000 for t in times)
    return Result(
        name=name,
        per_second=len(times) * each / (elapsed or sum(times)),
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
        round_trips=None if statements is None else statements / (len(times) * each),
        notes=notes or {},
    )
