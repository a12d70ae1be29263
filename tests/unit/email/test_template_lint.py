from __future__ import annotations

from pathlib import Path

import pytest

from hogsend.email.templates.lint import contrast, lint
from hogsend.email.templates.registry import TemplateRegistry

HEAD = "---\nsubject: Hello\npreview: A line\n---\n"
LEAVE = '<a href="{{ unsubscribe_url }}">Leave</a>'


def rules(tmp_path: Path, body: str, head: str = HEAD) -> set[tuple[str, str]]:
    (tmp_path / "t.html").write_text(head + body)
    registry = TemplateRegistry.load([tmp_path])
    return {(finding.rule, finding.severity) for finding in lint(registry, "t")}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"<p>Fine</p>{LEAVE}", set()),
        ("<p>No way out</p>", {("unsubscribe", "error")}),
        (f"<p>x</p>{LEAVE}<a href='#'>Go</a>", {("links", "error")}),
        (f"<p>x</p>{LEAVE}<a href='#part'>Go</a>", {("links", "error")}),
        (f"<p id='part'>x</p>{LEAVE}<a href='#part'>Go</a>", set()),
        (f"<p>x</p>{LEAVE}<a href='/pricing'>Go</a>", {("links", "error")}),
        (f"<p>x</p>{LEAVE}<a href='javascript:x()'>Go</a>", {("links", "error")}),
        (f"<p>x</p>{LEAVE}<a href='https://a.b'></a>", {("link-text", "warning")}),
        (f"<p>x</p>{LEAVE}<a href='https://a.b'><img src='i' alt='Home'></a>", set()),
        (f"<p>x</p>{LEAVE}<img src='https://a.b/i.png'>", {("alt", "warning")}),
        (f"<p style='color:#999'>pale</p>{LEAVE}", {("contrast", "error")}),
        (f"<p style='color:#8a8a8a;font-size:28px'>pale, large</p>{LEAVE}", set()),
        (f"<div style='background:#000'><p>on black</p></div>{LEAVE}", {("contrast", "error")}),
        (f"<p>{'x' * 90_000}</p>{LEAVE}", {("size", "warning")}),
        (f"<p>{'x' * 110_000}</p>{LEAVE}", {("size", "error")}),
        ("{{ nothing }}", {("renders", "error")}),
    ],
)  # fmt: skip
def test_lint_table(tmp_path: Path, body: str, expected: set[tuple[str, str]]) -> None:
    assert rules(tmp_path, body) == expected


def test_lint_heads(tmp_path: Path) -> None:
    long = f"---\nsubject: {'long ' * 30}\n---\n"

    assert rules(tmp_path, f"<p>x</p>{LEAVE}", long) == {
        ("subject", "warning"),
        ("preview", "warning"),
    }


def test_lint_transactional_mail_needs_no_way_out(tmp_path: Path) -> None:
    head = HEAD.replace("subject", "category: transactional\nsubject")

    assert rules(tmp_path, "<p>Receipt</p>", head) == set()


def test_lint_mail_of_hidden_pictures_has_no_text(tmp_path: Path) -> None:
    body = f"<div data-skip-in-text='true'>{LEAVE}</div><img src='https://a.b' alt='all'>"

    assert rules(tmp_path, body) == {("text", "error")}


def test_contrast_knows_the_ends_of_the_scale() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)
