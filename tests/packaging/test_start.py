"""How the archive starts: quickly, at the same time, interrupted, without a home or a disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hogsend.embedded.binaries import can_traverse
from hogsend.entry import MODES
from tests.packaging.machine import INTERPRETER, Machine

_NOBODY = 65534


@pytest.mark.parametrize("mode", MODES)
def test_mode_answers_help(machine: Machine, mode: str) -> None:
    answer = machine.run(mode, "--help")

    assert answer.returncode == 0, answer.stderr
    assert f"usage: hogsend {mode}" in answer.stdout


def test_help_lists_modes_and_commands(machine: Machine) -> None:
    answer = machine.run("--help")

    assert answer.returncode == 0
    for word in (*MODES, "demo", "doctor", "init"):
        assert word in answer.stdout


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("migrate", "--help"), ("api", "--help"), ("init", "--help")],
    ids=" ".join,
)
def test_command_imports_neither_engine_nor_transport(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    machine.run("--version")

    answer = machine.run(*arguments, PYTHONPROFILEIMPORTTIME="1")

    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "hogsend.errors" in imported
    assert imported.isdisjoint({"hatchet_sdk", "grpc", "aiohttp"})


def test_archive_started_six_times_at_once_extracts_once(pyz: Path, place: Path) -> None:
    root = place / "shiv"
    started = [_start(pyz, root) for _ in range(6)]

    outcomes = [process.communicate(timeout=120) for process in started]

    assert [process.returncode for process in started] == [0] * 6, outcomes
    assert len(_extractions(root)) == 1


@pytest.mark.parametrize("after_seconds", [0.2, 0.6])
def test_archive_killed_in_its_first_start_starts_again(
    pyz: Path, place: Path, after_seconds: float
) -> None:
    root = place / "shiv"
    first = _start(pyz, root)
    # Somewhere in the middle of the extraction; the moment is the test.
    time.sleep(after_seconds)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)

    second = _start(pyz, root)

    assert second.communicate(timeout=60)[0].startswith(b"hogsend ")
    assert second.returncode == 0


def test_later_start_reads_no_archive(machine: Machine) -> None:
    machine.run("--version")

    answer = machine.run("--version", PYTHONPROFILEIMPORTTIME="1")

    imported = [line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()]
    # What comes before is the interpreter's own.
    ours = imported[imported.index("runpy") :]
    assert "hogsend.entry" in ours
    assert {"zipfile", "_bootstrap", "json", "site"}.isdisjoint(ours)


def test_archive_under_another_name_uses_what_its_target_extracted(
    pyz: Path, place: Path, machine: Machine
) -> None:
    machine.shiv_root = place / "shiv"
    machine.run("--version")
    link = place / "hogsend"
    link.symlink_to(pyz)
    machine.pyz = link

    answer = machine.run("--version")

    assert answer.returncode == 0, answer.stderr
    assert len(_extractions(machine.shiv_root)) == 1


def test_forced_extraction_repairs_what_was_changed(machine: Machine, place: Path) -> None:
    machine.shiv_root = place / "shiv"
    machine.run("--version")
    (entry,) = machine.shiv_root.rglob("hogsend/_built_for")
    entry.write_text("3.9\n")

    answer = machine.run("--version", SHIV_FORCE_EXTRACT="1")

    assert answer.returncode == 0, answer.stderr
    assert machine.run("--version").returncode == 0


def test_archive_obeys_the_variables_of_shiv(machine: Machine) -> None:
    as_interpreter = machine.run(
        "-c", "import hogsend.errors; print('it is')", SHIV_INTERPRETER="1"
    )
    as_module = machine.run(SHIV_ENTRY_POINT="hogsend.kernel.ids:uuid7")

    assert as_interpreter.stdout == "it is\n", as_interpreter.stderr
    # uuid7() is what the process exits with, so it is printed.
    assert len(as_module.stderr.strip()) == 36, as_module.stderr


def _start(pyz: Path, root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [INTERPRETER, str(pyz), "--version"],
        env={"PATH": os.environ["PATH"], "SHIV_ROOT": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _extractions(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def test_extracted_archive_runs_as_anybody_and_writes_nothing(pyz: Path, place: Path) -> None:
    root, archive = place / "shiv", place / "hogsend.pyz"
    shutil.copy(pyz, archive)
    assert _start(archive, root).communicate(timeout=60)[1] == b""
    for path in (*root.rglob("*"), root, place):
        path.chmod(path.stat().st_mode & ~0o222)
    before = _tree(place)

    answer = subprocess.run(
        [INTERPRETER, str(archive), "config", "check", "--mode", "migrate", "--json"],
        env={
            "PATH": os.environ["PATH"],
            "SHIV_ROOT": str(root),
            "DATABASE_URL": "postgresql://u:p@localhost/d",
        },
        cwd="/",
        user=_somebody_else(),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["ok"] is True
    assert _tree(place) == before


def _somebody_else() -> int | None:
    """An unprivileged user when we are root and that user can reach our interpreter."""
    interpreter = Path(INTERPRETER).resolve().parent
    is_root = os.geteuid() == 0
    return _NOBODY if is_root and can_traverse(interpreter, (_NOBODY, _NOBODY)) else None


def _tree(place: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in place.rglob("*")
    }


def test_archive_on_another_python_says_which_one_it_needs(machine: Machine) -> None:
    machine.shiv_root = machine.directory / "shiv"
    machine.run("--version")
    (built_for,) = machine.shiv_root.rglob("hogsend/_built_for")
    built_for.write_text("3.9\n")

    answer = machine.run("--help")

    assert answer.returncode == 1
    assert "was built for Python 3.9" in answer.stderr


def test_api_without_settings_names_what_is_missing(machine: Machine) -> None:
    answer = machine.run("api")

    assert answer.returncode == 1
    for name in ("DATABASE_URL", "BETTER_AUTH_SECRET", "HATCHET_CLIENT_TOKEN"):
        assert f"{name}: is required by api" in answer.stderr


def test_slim_archive_as_supervisor_says_what_it_lacks(machine: Machine, archives: Path) -> None:
    machine.pyz = archives / "hogsend-slim.pyz"
    machine.shiv_root = machine.directory / "shiv"

    answer = machine.run("supervisor")

    assert answer.returncode == 1
    assert "set DATABASE_URL and REDIS_URL to servers of your own" in answer.stderr
