"""Importing is free: no environment, no network, no file written, no thread, no engine SDK."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "hogsend"
# Modules that run something when imported by `python -m`, or belong to the engine's SDK.
_SDK = ("hogsend.orchestrator.hatchet",)
_NOT_IMPORTED = {"hogsend.__main__"}
# entry hands the environment to the modes; the supervisor replaces its own for its children; the
# demo and the build of child processes pass parts of it on; socket activation is a protocol of the
# environment, not a setting.
_MAY_READ_ENVIRONMENT = {
    "hogsend.archive_main",
    "hogsend.entry",
    "hogsend.supervise.daemon",
    "hogsend.cli.demo_instance",
    "hogsend.web.sockets",
}

_IMPORT_ALL = """
import importlib, json, sys, threading
seen = []
# Not socket.bind: urllib3 tries ::1 at import to find out whether IPv6 is there.
SUSPECT = ("socket.connect", "subprocess.Popen", "os.fork", "os.system",
           "os.mkdir", "os.remove", "os.rename", "_thread.start_new_thread")
def hook(event, arguments):
    if event in SUSPECT:
        seen.append(event)
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"open {arguments[0]} {arguments[1]}")
sys.addaudithook(hook)
problems = {}
for name in json.load(sys.stdin):
    importlib.import_module(name)
    if seen:
        problems[name] = list(seen)
        seen.clear()
json.dump({"problems": problems, "threads": threading.active_count(),
           "engine": sorted({"hatchet_sdk", "grpc"} & set(sys.modules))}, sys.stdout)
"""


def modules() -> list[str]:
    """Dotted names of every module of the package."""
    names = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ("hogsend", *file.relative_to(PACKAGE).with_suffix("").parts)
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if name not in _NOT_IMPORTED]


def _import(names: list[str]) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-B", "-c", _IMPORT_ALL],
        input=json.dumps(names),
        env={},
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_modules_imported_without_environment_do_nothing() -> None:
    names = [name for name in modules() if not name.startswith(_SDK)]

    found = _import(names)

    assert found == {"problems": {}, "threads": 1, "engine": []}


@pytest.mark.parametrize("mode", ["api", "migrate", "supervisor", "worker"])
def test_mode_imported_knows_no_engine(mode: str) -> None:
    found = _import(["hogsend.entry", f"hogsend.modes.{mode}"])

    assert found["engine"] == []


def test_environment_is_read_where_it_may_be() -> None:
    readers = {name for name in modules() if _reads_environment(name)}

    assert readers <= _MAY_READ_ENVIRONMENT


def _reads_environment(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text("utf-8"))
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv", "environb")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        for node in ast.walk(tree)
    )
