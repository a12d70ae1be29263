"""Says which long test keeps a promise, and fails when that test is gone, empty or left out."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = {"skip", "skipif", "xfail"}


def proven_by(module: str, *names: str) -> None:
    """Assert that ``module`` (below tests/) has these tests, and that each checks something."""
    tests = _tests_of(ROOT / "tests" / module)
    for name in names:
        assert name in tests, f"{module} has no {name}: the promise is proven nowhere"
        test = tests[name]
        assert _checks_something(test), f"{module}: {name} asserts nothing"
        marks = {
            node.attr
            for decorator in test.decorator_list
            for node in ast.walk(decorator)
            if isinstance(node, ast.Attribute)
        }
        assert not marks & _LEFT_OUT, f"{module}: {name} is left out"


@cache
def _tests_of(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _checks_something(test: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Attribute) and node.attr == "raises")
        or (isinstance(node, ast.Name) and node.id == "wait_until")
        for node in ast.walk(test)
    )
