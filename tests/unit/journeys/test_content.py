from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hogsend.errors import ConfigError
from hogsend.journeys.content import load_app


@pytest.fixture
def content(tmp_path: Path) -> Iterator[Path]:
    """An empty content directory; the import path is put back afterwards."""
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before


def write(directory: Path, text: str) -> str:
    """A module under a fresh name, so that no import is answered from an earlier test."""
    name = f"content_{uuid4().hex[:8]}"
    (directory / f"{name}.py").write_text(text)
    return name


def problem(ref: str, directory: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_app(ref, directory)
    return str(caught.value)


def test_example_runs_when_nothing_is_named() -> None:
    app = load_app(None, Path("/nowhere"))

    assert "welcome" in app.journeys
    assert app.journeys["welcome"].meta.trigger.event == "user.signed_up"


def test_content_directory_is_on_the_import_path(content: Path) -> None:
    (content / "templates").mkdir()
    name = write(content, "from hogsend import App\napp = App(__name__)\n")

    app = load_app(f"{name}:app", content)

    assert app.template_dirs == (content / "templates",)


def test_templates_may_be_elsewhere(content: Path) -> None:
    name = write(content, "from hogsend import App\napp = App(__name__, templates='mails')\n")

    assert load_app(f"{name}:app", content).template_dirs == (content / "mails",)


def test_every_wrong_definition_is_reported_at_its_line(content: Path) -> None:
    name = write(
        content,
        "from datetime import timedelta\n"
        "from hogsend import App, Entry, on\n"
        "app = App(__name__)\n"
        "@app.journey(id='a', name='A', trigger=on('x'), colour='red')\n"
        "async def a(user, ctx): ...\n"
        "@app.journey(id='b', name='B', trigger=on('x'), entry=Entry.once_per(timedelta(0)))\n"
        "def b(user, ctx): ...\n",
    )

    text = problem(f"{name}:app", content)

    file = content / f"{name}.py"
    assert f"{file}:4: journey 'a': unknown field 'colour'" in text
    assert f"{file}:6: journey 'b': the period of entry must be longer than zero" in text
    assert f"{file}:6: journey 'b': must be an async function" in text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ny = 1 / 0\n", ".py:2: importing '"),
        ("x = (\n", ".py:1: '(' was never closed"),
        ("import nothing_like_this\n", ".py:1: importing '"),
        ("from hogsend import on\nt = on('')\n", ".py:2: importing '"),
        ("x = 1\n", "'app' is missing"),
        ("app = 3\n", "'app' is a int, no App"),
    ],
)
def test_module_that_cannot_be_used_is_blamed_at_its_line(
    content: Path, source: str, expected: str
) -> None:
    name = write(content, source)

    text = problem(f"{name}:app", content)

    assert str(content / f"{name}.py") in text
    assert expected in text


def test_other_name_in_the_module_is_suggested(content: Path) -> None:
    name = write(content, "from hogsend import App\nmine = App(__name__)\n")

    assert f"HOGSEND_APP={name}:mine" in problem(f"{name}:app", content)


def test_missing_module_names_the_directory(content: Path) -> None:
    text = problem("no_such_content.module:app", content)

    assert "no_such_content.module" in text
    assert str(content) in text
