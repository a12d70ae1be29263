"""The artefacts under test, built once per run from the tree as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.machine import Machine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def archives() -> Path:
    """Directory with both archives; dependencies are taken from ``build/`` when they are there."""
    output = ROOT / "build" / "test-dist"
    done = subprocess.run(
        [sys.executable, "build.py", "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return output


@pytest.fixture(scope="session")
def pyz(archives: Path) -> Path:
    """The full archive."""
    return archives / "hogsend.pyz"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can reach; pytest's own are closed to the servers' user."""
    directory = Path(tempfile.mkdtemp(prefix="hogsend-pack-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def extracted() -> Iterator[Path]:
    """SHIV_ROOT of the tests that do not care about the first start."""
    directory = Path(tempfile.mkdtemp(prefix="hogsend-shiv-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def machine(pyz: Path, extracted: Path, place: Path) -> Iterator[Machine]:
    """A bare machine: an empty directory, no settings, nothing running."""
    made = Machine(pyz=pyz, shiv_root=extracted, directory=place)
    try:
        yield made
    finally:
        made.destroy()
