"""docs/retention.md: how long the rows of every table live, and what deletes them."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hogsend import settings
from hogsend.container.forgetting import forgetting_tasks
from hogsend.container.parts import Parts
from hogsend.db import Database, Query
from hogsend.email.tasks import REDRIVE_TASK
from hogsend.kernel.clock import SystemClock

pytestmark = pytest.mark.integration

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "retention.md"
_TABLES = Query.parse(
    "tables", "SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'hogsend')"
)


def test_page_names_every_table_and_no_other(database: Database) -> None:
    rows = [line for line in _PAGE.read_text().splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert named == {row[0] for row in database.run(_TABLES)}


def test_page_names_every_task_with_its_time(database: Database) -> None:
    parts = SimpleNamespace(
        db=database, clock=SystemClock(), settings=settings.load({}, mode="cli")
    )
    crons = {task.name: str(task.cron) for task in forgetting_tasks(cast(Parts, parts))}

    cells = [
        row.split("|")[4].strip()
        for row in _PAGE.read_text().splitlines()
        if row.startswith("| `") and row.count("|") == 5
    ]
    named = {cell.split("`")[1]: cell for cell in reversed(cells)}  # the time stands at the first
    assert named.pop(REDRIVE_TASK)
    assert {name: cell.rpartition(", ")[2] for name, cell in named.items()} == {
        name: _in_words(cron) for name, cron in crons.items()
    }


def _in_words(cron: str) -> str:
    minute, hour, *rest = cron.split()
    assert rest == ["*", "*", "*"]
    return "hourly" if hour == "*" else f"{hour}:{minute:0>2}"
