"""A process that sends mail until everything is settled; somebody kills it at any moment.

Arguments: database URL, sink URL, mode (recognising, forgetful, batch), number of addresses, seed.
"""

from __future__ import annotations

import logging
import random
import sys
from dataclasses import replace
from datetime import timedelta

import structlog

from hogsend.db import Database, DatabaseOptions
from hogsend.email import SendRequest, SendResult
from hogsend.email.mailer import Mailer, MailerOptions
from hogsend.email.providers.resend import ResendProvider
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import HogsendError
from hogsend.kernel.clock import SystemClock
from hogsend.kernel.ids import uuid7
from hogsend.net.client import HttpClient, HttpOptions

FINAL = ("sent", "unsubscribed", "skipped", "unknown", "failed", "suppressed")
LEASE = timedelta(seconds=2)
CHUNK = 20


class ForgetfulProvider(ResendProvider):
    """The same wire for a vendor that recognises nothing."""

    name = "forgetful"
    capabilities = replace(ResendProvider.capabilities, recognises_key_for=None, batch_size=1)


def build(dsn: str, url: str, mode: str) -> tuple[Database, Mailer]:
    db = Database(DatabaseOptions(url=dsn, pool_size=2))
    http = HttpClient(HttpOptions(read_timeout=timedelta(seconds=0.5)))
    kind = ForgetfulProvider if mode == "forgetful" else ResendProvider
    mailer = Mailer(
        db,
        provider=kind(http, api_key="re_x", base_url=url),
        templates=TemplateRegistry.load(),
        options=MailerOptions(sender="us@example.com", lease=LEASE),
        clock=SystemClock(),
        new_id=uuid7,
    )
    return db, mailer


def request_of(number: int) -> SendRequest:
    return SendRequest(
        template="welcome",
        to=f"p{number}@example.org",
        category="news",
        idempotency_key=f"chaos:{number}",
    )


def drive(mailer: Mailer, mode: str, open_numbers: list[int]) -> list[int]:
    """One try for each; answers those that are not settled."""
    if mode != "batch":
        return [n for n in open_numbers if not _is_final(_try(mailer, n))]
    left: list[int] = []
    for start in range(0, len(open_numbers), CHUNK):
        chunk = open_numbers[start : start + CHUNK]
        answers = mailer.send_many([request_of(n) for n in chunk])
        left += [n for n, answer in zip(chunk, answers, strict=True) if not _is_final(answer)]
    return left


def _try(mailer: Mailer, number: int) -> SendResult | HogsendError:
    try:
        return mailer.send(request_of(number))
    except HogsendError as error:
        return error


def _is_final(answer: SendResult | HogsendError) -> bool:
    return isinstance(answer, SendResult) and answer.status in FINAL


def main(argv: list[str]) -> None:
    dsn, url, mode, count, seed = argv
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    db, mailer = build(dsn, url, mode)
    numbers = list(range(int(count)))
    random.Random(int(seed)).shuffle(numbers)
    while numbers:
        numbers = drive(mailer, mode, numbers)
    mailer.close()
    db.close()


if __name__ == "__main__":
    main(sys.argv[1:])
