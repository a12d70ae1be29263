from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hogsend.cli.config import CommandLine
from hogsend.cli.main import cli
from hogsend.email.templates.screenshot import NoBrowser, find_browser, take_screenshot

APP = "from hogsend import App\n\napp = App('t')\n"
GOOD = "---\nsubject: Hi\npreview: x\n---\n<p>Fine</p><a href='{{ unsubscribe_url }}'>Leave</a>"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    # A module name of its own: Python would hand the next test this one again.
    (tmp_path / f"mail_{tmp_path.name}.py").write_text(APP)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "ours.html").write_text(GOOD)
    return tmp_path


def run(content: Path, *args: str) -> Result:
    environ = {"HOGSEND_APP": f"mail_{content.name}:app", "HOGSEND_CONTENT_DIR": str(content)}
    line = CommandLine(environ=environ, directory=content)
    return CliRunner().invoke(cli, ["templates", *args], obj=line)


def test_list_shows_own_and_builtin_templates(content: Path) -> None:
    result = run(content, "list", "--json")

    keys = {entry["key"] for entry in json.loads(result.output)}
    assert {"ours", "welcome", "feedback-nps-survey"} <= keys


def test_lint_good_templates_end_with_success(content: Path) -> None:
    assert run(content, "lint").exit_code == 0


def test_lint_bad_template_is_named_and_fails(content: Path) -> None:
    (content / "templates" / "ours.html").write_text("---\nsubject: Hi\n---\n<a href='#'>Go</a>")

    result = run(content, "lint", "ours", "--json")

    rules = {(f["template"], f["rule"]) for f in json.loads(result.output)}
    assert result.exit_code == 1
    assert rules >= {("ours", "links"), ("ours", "unsubscribe"), ("ours", "preview")}


def test_lint_warnings_fail_only_when_strict(content: Path) -> None:
    (content / "templates" / "ours.html").write_text(GOOD.replace("preview: x\n", ""))

    assert run(content, "lint", "ours").exit_code == 0
    assert run(content, "lint", "ours", "--strict").exit_code == 1


def test_preview_writes_html_with_props(content: Path, tmp_path: Path) -> None:
    result = run(content, "preview", "welcome", "--props", '{"name": "Grace"}')

    assert result.exit_code == 0
    assert "Welcome, Grace" in (content / "welcome.html").read_text()


def test_preview_text_goes_to_the_terminal(content: Path) -> None:
    result = run(content, "preview", "reactivation-checkin", "--text")

    assert result.output.startswith("Subject: Your project has gone quiet\n")


@pytest.mark.parametrize("props", ["[]", "{", "7"])
def test_preview_props_that_are_no_object_are_refused(content: Path, props: str) -> None:
    result = run(content, "preview", "welcome", "--props", props)

    assert result.exit_code == 1
    assert "--props is not a JSON object" in result.output


def test_screenshot_needs_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_browser() is None
    with pytest.raises(NoBrowser):
        take_screenshot(tmp_path / "x.html", tmp_path / "x.png", width=360)
