"""Documentation keeps up: modes, commands and settings are mentioned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hogsend.cli.main import COMMANDS
from hogsend.entry import MODES
from hogsend.settings.declare import settings_of
from hogsend.settings.model import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_environment_page_names_every_setting() -> None:
    text = (ROOT / "docs" / "environment.md").read_text("utf-8")

    assert [s.name for s in settings_of(Settings) if f"`{s.name}`" not in text] == []


@pytest.mark.parametrize("mode", MODES)
def test_deployment_page_covers_mode(mode: str) -> None:
    text = (ROOT / "docs" / "deployment.md").read_text("utf-8")

    assert f"hogsend.pyz {mode}" in text


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_command_is_mentioned_in_the_documentation(command: str) -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)

    assert re.search(rf"hogsend(\.pyz)? {command}\b|`{command}`", text)
