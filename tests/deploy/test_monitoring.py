"""The alerts are valid rules on metrics that exist, each with a runbook; the dashboard too."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from hogsend.db.pool import PoolStats
from hogsend.ops.overview import Overview
from hogsend.outbox.store import Backlog
from hogsend.telemetry.metrics import Metrics
from tests.deploy.tools import DEPLOY, ROOT, require_tool

_NAME = re.compile(r"\bhogsend_[a-z_]+")


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """Every name a scrape shows once everything has happened."""
    metrics = Metrics(mode="worker")
    metrics.count_event("created")
    metrics.count_send(provider="p", template="t", outcome="sent")
    metrics.count_advance(journey="j", outcome="completed")
    metrics.count_repairs("over", 1)
    metrics.observe_task(task="t", outcome="ok", seconds=0.1)
    metrics.observe_request(method="GET", route="/", status=200, seconds=0.1)
    backlog = Backlog(waiting=0, oldest_seconds=0, parked=0)
    metrics.watch_outbox(lambda: backlog)
    metrics.watch_waits(
        lambda: Overview(
            outbox=backlog,
            waiting=0,
            due=0,
            late_seconds=0,
            under_way=0,
            contacts=0,
            events_last_hour=0,
        )
    )
    metrics.watch_workers(lambda: 1)
    metrics.watch_pool(
        lambda: PoolStats(
            size=1,
            idle=1,
            in_use=0,
            waiting=0,
            opened_total=1,
            exhausted_total=0,
            round_trips_total=0,
        )
    )
    return set(re.findall(r"(?m)^(hogsend_\w+)", metrics.render().decode()))


def _alerts() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def test_alert_rules_are_valid() -> None:
    tool = require_tool("promtool", install="Debian: apt-get install prometheus")

    judged = subprocess.run(
        [tool, "check", "rules", str(DEPLOY / "alerts.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_alerts_ask_for_metrics_that_exist(exported: set[str]) -> None:
    for alert in _alerts():
        assert set(_NAME.findall(alert["expr"])) <= exported, alert["alert"]


def test_every_alert_has_its_runbook() -> None:
    headings = re.findall(r"(?m)^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text())

    assert [alert["alert"] for alert in _alerts()] == headings
    for alert in _alerts():
        anchor = alert["annotations"]["runbook_url"].rpartition("#")[2]
        assert anchor == alert["alert"].lower()


def test_dashboard_shows_metrics_that_exist(exported: set[str]) -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())

    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for expression in expressions:
        assert set(_NAME.findall(expression)) <= exported, expression
