from __future__ import annotations

from pathlib import Path

import hogsend
from hogsend.settings import Settings, settings_of
from hogsend.settings.reference import render_reference

PAGE = Path(hogsend.__file__).parent.parent / "docs" / "environment.md"


def test_reference_has_one_row_for_every_setting() -> None:
    text = render_reference()

    for declared in settings_of(Settings):
        assert text.count(f"| `{declared.name}`") == 1


def test_reference_tables_have_five_cells_in_every_row() -> None:
    rows = [line for line in render_reference().splitlines() if line.startswith("|")]

    assert all(line.count("|") == 6 for line in rows)


def test_committed_page_is_what_the_declarations_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_reference()
