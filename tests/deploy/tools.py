"""Finds programs that judge artefacts; on CI they must be there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_LOCAL = ROOT / "build" / "tools"


def require_tool(name: str, *, install: str) -> str:
    """The path of a program; without it CI fails and other machines leave the test out."""
    found = shutil.which(name) or shutil.which(name, path=str(_LOCAL))
    if found is None:
        reason = f"{name} is not installed: {install}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
