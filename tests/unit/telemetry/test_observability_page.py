from __future__ import annotations

import re
from pathlib import Path

import hogsend
from hogsend.telemetry.reference import render_metrics

ROOT = Path(hogsend.__file__).parent
PAGE = (ROOT.parent / "docs" / "observability.md").read_text(encoding="utf-8")


def test_metrics_on_the_page_are_the_ones_a_process_serves() -> None:
    _, _, rest = PAGE.partition("<!-- metrics: python -m hogsend.telemetry.reference -->\n")
    shown, mark, _ = rest.partition("<!-- end of metrics -->")

    assert mark
    assert shown == render_metrics()


def test_every_metric_of_the_module_is_in_the_list() -> None:
    source = (ROOT / "telemetry" / "metrics.py").read_text(encoding="utf-8")

    declared = set(re.findall(r'"(hogsend_[a-z_]+)"', source))

    listed = set(re.findall(r"`(hogsend_[a-z_]+)`", render_metrics()))
    assert {name.removesuffix("_total") for name in declared} == {
        name.removesuffix("_total") for name in listed
    }


def test_spans_and_lines_on_the_page_exist_in_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    spans = set(re.findall(r"^\| .*?$", PAGE.split("## Traces")[1], re.MULTILINE))
    names = set(re.findall(r"`(hogsend\.[a-z_]+|[a-z]+\.[a-z_]+)[ `]", "\n".join(spans)))
    lines = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", PAGE, re.MULTILINE))

    attributes = {"hogsend.journey", "hogsend.state_id", "hogsend.event_id", "http.route"}
    for name in (names | lines) - attributes:
        assert f'"{name}' in code, name
