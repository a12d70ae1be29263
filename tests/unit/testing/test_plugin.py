"""The plugin as an installed package brings it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def test_entry_point_names_a_plugin_that_loads_little() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [(name, value)] = project["entry-points"]["pytest11"].items()
    script = f"import sys, {value}; print(*sorted(m for m in sys.modules if 'hogsend' in m))"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=_ROOT
    )

    assert hasattr(EntryPoint(name, value, "pytest11").load(), "journey_test")
    assert loaded.stdout.split() == ["hogsend", "hogsend.testing", value]
