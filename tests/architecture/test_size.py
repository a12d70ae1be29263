"""Modules stay readable: above 400 lines there is a second noun in it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 400
# SQL functions of one call chain belong together; migrations are never edited again.
SUFFIXES = {".py", ".sql"}


def _files() -> list[Path]:
    package = [path for path in (ROOT / "hogsend").rglob("*") if path.suffix in SUFFIXES]
    return [*package, ROOT / "build.py"]


def test_modules_have_at_most_four_hundred_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in _files()
    }

    too_long = {name: lines for name, lines in lengths.items() if lines > LIMIT}

    assert too_long == {}


def test_modules_have_a_docstring() -> None:
    import ast

    bare = [
        str(path.relative_to(ROOT))
        for path in _files()
        if path.suffix == ".py"
        and path.stat().st_size
        and ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None
    ]

    assert bare == []


@pytest.mark.parametrize("word", ["utils", "common", "misc", "manager", "helpers"])
def test_no_module_is_a_drawer(word: str) -> None:
    assert [p for p in (ROOT / "hogsend").rglob("*") if p.stem == word] == []
