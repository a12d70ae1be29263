"""Reads a journey's code for clocks, random numbers and blocking calls, without running it.

For the log of a worker: watching every call, as the test kit does, takes several times as long as a
replay. What is called by name, directly or in helpers of the content, is found; what hides behind
variables is the test kit's to find.
"""

from __future__ import annotations

import ast
import inspect
import random
import sys
import textwrap
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.runtime.notices import ReplayProblem, TurnWatch

_Found: TypeAlias = Iterator[ReplayProblem]


def scan(definition: JourneyDefinition) -> list[ReplayProblem]:
    """What a journey and the helpers it calls do that a replay cannot repeat, each line once."""
    return _Scan(TurnWatch(definition.place.rpartition(":")[0])).of(definition.run)


class _Scan:
    def __init__(self, rules: TurnWatch) -> None:
        self._rules = rules
        self._seen: set[object] = set()

    def of(self, function: Any) -> list[ReplayProblem]:
        self._read(inspect.unwrap(function))
        return list(self._rules.problems.values())

    def _read(self, function: Any) -> None:
        code = getattr(function, "__code__", None)
        if code is None or code in self._seen or not self._rules.is_own_file(code.co_filename):
            return
        self._seen.add(code)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):
            return
        names = _names_of(function, tree)
        for call in _calls(tree):
            target = _resolve(call.func, names)
            place = f"{code.co_filename}:{code.co_firstlineno + call.lineno - 1}"
            if isinstance(target, FunctionType) and self._rules.is_own_file(
                target.__code__.co_filename
            ):
                self._read(target)
            elif target is random.Random:
                if not call.args and not call.keywords:
                    self._rules.judge_named("random", "__init__", None, place)
            elif isinstance(target, BuiltinFunctionType):
                self._rules.judge_builtin(target, place)
            elif isinstance(target, FunctionType | MethodType) and not _is_yielding(target, call):
                owner = getattr(target, "__self__", None)
                self._rules.judge_named(target.__module__, target.__name__, owner, place)


def _is_yielding(target: Any, call: ast.Call) -> bool:
    """``asyncio.sleep(0)`` lets others run and blocks nobody."""
    first = call.args[0] if call.args else None
    return target.__name__ == "sleep" and isinstance(first, ast.Constant) and first.value == 0


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call, but those inside the arguments of ``ctx.once``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield node
            if isinstance(node.func, ast.Attribute) and node.func.attr == "once":
                continue
        yield from _calls(node)


def _names_of(function: Any, tree: ast.AST) -> dict[str, object]:
    """What names mean inside a function: its imports, what it closes over, its module's."""
    code = function.__code__
    local = {*code.co_varnames, *code.co_cellvars}
    names: dict[str, object] = {k: v for k, v in function.__globals__.items() if k not in local}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue  # not filled yet
    names.update(_imported(tree))
    return names


def _imported(tree: ast.AST) -> Iterator[tuple[str, object]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or name, sys.modules.get(name)
        elif isinstance(node, ast.ImportFrom):
            module = sys.modules.get(node.module or "")
            for alias in node.names:
                yield alias.asname or alias.name, getattr(module, alias.name, None)


def _resolve(node: ast.expr, names: Mapping[str, object]) -> object:
    """The object a dotted name stands for, None for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        base = _resolve(node.value, names)
        # Modules, classes and generators: asking anything else could run code.
        if isinstance(base, ModuleType | type | random.Random):
            try:
                return getattr(base, node.attr, None)
            except Exception:  # a module or class may do anything here, and this is only a warning
                return None
    return None
