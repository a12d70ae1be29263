"""Nobody gets a mail twice and every mail is accounted for, whatever is killed.

``HOGSEND_TEST_CHAOS_SENDS`` raises the number of mails (2000), for example to 10000.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from hogsend.db import Database
from tests.fakes.mail import sql
from tests.fakes.mail_sink import Faults, MailSink
from tests.integration.email import chaos_worker

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
COUNT = int(os.environ.get("HOGSEND_TEST_CHAOS_SENDS", "2000"))
WORKERS = 3
KILLS = max(8, COUNT // 250)
FAULTS = Faults(busy=0.03, broken=0.03, hung_up=0.02, lost=0.03, garbled=0.01)


def start(dsn: str, url: str, mode: str, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, chaos_worker.__file__, dsn, url, mode, str(COUNT), str(seed)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def rampage(dsn: str, url: str, mode: str) -> int:
    """Workers compete for the same mails and are killed; answers how many died by our hand."""
    dice = random.Random(7)
    running = [start(dsn, url, mode, seed) for seed in range(WORKERS)]
    killed = 0
    try:
        while killed < KILLS and any(worker.poll() is None for worker in running):
            time.sleep(dice.uniform(0.3, 0.9))
            victim = dice.randrange(WORKERS)
            if running[victim].poll() is None:
                running[victim].kill()
                running[victim].wait()
                killed += 1
                running[victim] = start(dsn, url, mode, seed=100 + killed)
        for worker in running:
            assert worker.wait(timeout=240 + COUNT / 20) == 0
    finally:
        for worker in running:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
    return killed


def addresses(db: Database, status: str) -> set[str]:
    rows = sql(db, "SELECT to_email FROM email_sends WHERE status = :status", status=status)
    return {row[0] for row in rows}


@pytest.mark.parametrize(
    ("mode", "remembers"), [("recognising", True), ("forgetful", False), ("batch", True)]
)
def test_chaos_every_mail_at_most_once_and_all_accounted_for(
    database: Database, dsn: str, mode: str, remembers: bool
) -> None:
    leavers = {f"p{n}@example.org" for n in range(0, COUNT, 10)}
    sql(
        database,
        "INSERT INTO email_preferences (user_id, email, categories) "
        "SELECT address, address, '{\"news\": false}' "
        "FROM jsonb_array_elements_text(CAST(:leavers AS jsonb)) address",
        leavers=sorted(leavers),
    )

    with MailSink(faults=FAULTS, remembers=remembers) as sink:
        killed = rampage(dsn, sink.url, mode)
        accepted = Counter(sink.accepted)

    statuses = dict(sql(database, "SELECT status, count(*) FROM email_sends GROUP BY status"))
    sent, unknown = addresses(database, "sent"), addresses(database, "unknown")
    assert killed >= 3
    assert max(accepted.values()) == 1
    assert not leavers & set(accepted)
    assert statuses.pop("suppressed") == len(leavers)
    assert sum(statuses.values()) + len(leavers) == COUNT
    assert set(statuses) <= {"sent", "unknown"}
    assert sent <= set(accepted)
    # What was accepted and not recorded is shown as unknown, never as anything else.
    assert set(accepted) - sent <= unknown
    if mode == "recognising":
        assert not unknown
