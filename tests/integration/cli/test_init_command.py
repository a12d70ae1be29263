"""``hogsend init``: what it writes loads, and its own test passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hogsend.journeys.content import load_app
from hogsend.journeys.registry import JourneyRegistry
from tests.unit.cli.conftest import Cli

_ROOT = Path(__file__).parents[3]


def test_init_writes_an_app_that_loads_and_whose_test_passes(tmp_path: Path) -> None:
    line = Cli(tmp_path)
    target = tmp_path / "app"

    answer = line.run_json("init", str(target))

    assert answer["app"] == "lifecycle:app"
    assert sorted(answer["files"]) == sorted(
        str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()
    )
    app = load_app("lifecycle:app", target)
    assert list(JourneyRegistry(app, None).ids) == ["first-week"]
    done = subprocess.run(
        # The plugin comes with the package, but this run loads none by itself.
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "hogsend.testing.plugin", str(target)),
        ],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(_ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_init_twice_is_refused_and_force_replaces(tmp_path: Path) -> None:
    line = Cli(tmp_path)
    target = tmp_path / "app"
    line.run("init", str(target))
    (target / "lifecycle.py").write_text("mine")

    again = line.run("init", str(target))

    assert again.exit_code == 1
    assert "lifecycle.py" in again.stderr
    assert (target / "lifecycle.py").read_text() == "mine"
    assert line.run("init", str(target), "--force").exit_code == 0
    assert (target / "lifecycle.py").read_text() != "mine"


def test_init_readme_names_the_directory_and_the_command(tmp_path: Path) -> None:
    target = tmp_path / "my app"

    Cli(tmp_path).run("init", str(target))

    text = (target / "README.md").read_text()
    assert f"'{target}'" in text
    assert "$" + "directory" not in text
