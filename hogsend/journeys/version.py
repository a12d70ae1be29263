"""The fingerprint of a journey: changes when its behaviour can, and only then.

The body of a function enters as its syntax tree, so comments, docstrings, layout, quotes and
redundant parentheses change nothing. Only fields that are present are written, which keeps the
text equal over interpreter versions that add fields. Functions it calls are not part of it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeAlias

from hogsend.journeys.meta import JourneyMeta
from hogsend.journeys.meta_json import meta_to_json
from hogsend.kernel.hashing import sha256_hex
from hogsend.kernel.wire_json import JsonObject, stable_stringify

Scheme: TypeAlias = Literal["hspy1", "hsv1"]
"""``hspy1`` is Python code, ``hsv1`` data: graphs, in the form of the reference."""

_LABELS: Final = frozenset({"enabled", "version", "versionHash", "name", "description"})
_LENGTH: Final = 12
# Where the words came from, not what they do.
_IGNORED_FIELDS: Final = frozenset({"ctx", "kind", "type_comment", "returns", "annotation"})
_EMPTY: Final = ast.Module(body=[], type_ignores=[])


def hash_of(meta: JourneyMeta, function: Callable[..., Any]) -> str:
    """Twelve hex digits that change with the code or the declaration of a journey.

    Name, description, version label and the switch do not count. A function whose source cannot
    be read counts as empty, see ``find_body``.
    """
    return fingerprint("hspy1", find_body(function) or "", meta_to_json(meta))


def fingerprint(scheme: Scheme, body: str, meta: JsonObject) -> str:
    """Twelve hex digits over a scheme, a normalised body and the meta that changes behaviour."""
    counted = {key: value for key, value in meta.items() if key not in _LABELS}
    return sha256_hex(f"{scheme}\n{body}\n{stable_stringify(counted)}")[:_LENGTH]


def find_body(function: Callable[..., Any]) -> str | None:
    """The normalised body of a function, None when its source cannot be read."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return None
    return normalise(source)


def normalise(source: str) -> str | None:
    """One line of text for the first function of some source; None when there is none."""
    for node in ast.walk(_parse(textwrap.dedent(source)) or _parse(f"if 1:\n{source}") or _EMPTY):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            # Its decorator is the meta, which counts by itself; its name is for people.
            return " ".join((*_words(node.args), *_listed(node.body)))
    return None


def _parse(source: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said already when the module was compiled
        try:
            return ast.parse(source)
        except SyntaxError:
            return None  # a text with lines further left than its function defeats dedent


def _words(node: ast.AST) -> Iterator[str]:
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        if name in _IGNORED_FIELDS or value is None or value == []:
            continue
        yield f"{name}="
        yield from _listed(value) if isinstance(value, list) else _value(value)
    yield ")"


def _listed(parts: list[Any]) -> Iterator[str]:
    yield "["
    for part in parts:
        if not _is_text_alone(part):
            yield from _value(part)
    yield "]"


def _value(value: object) -> Iterator[str]:
    if isinstance(value, ast.AST):
        yield from _words(value)
    else:
        # !a: repr depends on the interpreter's idea of what is printable.
        yield f"{type(value).__name__}:{value!a}"


def _is_text_alone(statement: object) -> bool:
    """A docstring, or a string used as a comment."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
