"""The Python in the pages about journeys runs as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from hogsend.testing import JourneyTest
from tests.docs.pages import DOCS, ROOT
from tests.unit.cli.conftest import Cli

Make = Callable[..., JourneyTest]

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TEMPLATE = '---\nsubject: Hello\n---\n{% extends "_layout.html" %}\n'


def blocks(page: str) -> list[str]:
    return _PYTHON.findall((DOCS / page).read_text("utf-8"))


@pytest.fixture
def journeys_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that holds the blocks of the page, one below the other."""
    for key in ("hello-checklist", "hello-story", "invite-your-team"):
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "templates" / f"{key}.html").write_text(_TEMPLATE)
    file = tmp_path / "page_about_journeys.py"
    file.write_text("\n".join(blocks("journeys.md")))
    module = ModuleType("page_about_journeys")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(file.read_text(), str(file), "exec"), vars(module))
    return module


def test_journey_of_the_page_takes_both_paths(
    journeys_page: ModuleType, journey_test: Make
) -> None:
    alone = journey_test(journeys_page.first_week).start(seats=2).finish()
    joined = journey_test(journeys_page.first_week).start(seats=2).advance(hours=3)
    joined.event("teammate.joined").finish()
    small = journey_test(journeys_page.first_week).start(seats=1)

    assert [t.partition("-")[0] for t in alone.templates] == ["hello", "invite"]
    assert [t.partition("-")[0] for t in joined.templates] == ["hello"]
    assert small.refusals == ["trigger_conditions_not_met"]
    for trip in (alone, joined):
        trip.assert_replay_safe()


def test_connector_of_the_page_does_what_it_says(journeys_page: ModuleType) -> None:
    sent: list[tuple[str, str]] = []
    journeys_page.chat_client = SimpleNamespace(  # type: ignore[attr-defined]  # the reader's own
        post=lambda text, *, idempotency_key: sent.append((text, idempotency_key))
    )

    journeys_page.post_message(SimpleNamespace(args={"text": "hi"}, key="k"))

    journeys_page.app.check()
    assert sent == [("hi", "k")]
    assert journeys_page.app.connectors["chat"].actions == {"post_message"}


def test_conditions_of_the_page_are_conditions() -> None:
    names: dict[str, object] = {}

    exec("\n".join(blocks("conditions.md")), names)

    assert {"trigger", "busy", "silent"} <= set(names)


def test_tests_of_the_page_pass_beside_a_new_app(tmp_path: Path) -> None:
    Cli(tmp_path).run_json("init", str(tmp_path / "app"))
    first, second = blocks("testing-journeys.md")
    file = tmp_path / "app" / "tests" / "test_page.py"
    file.write_text(f"{first}\n{second}")

    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "hogsend.testing.plugin", str(file)),
        ],
        cwd=tmp_path / "app",
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
