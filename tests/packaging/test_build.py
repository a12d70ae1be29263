"""What is inside the archives, and that building again gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the Dockerfile copies; nothing else may be needed to build.
SOURCES = (
    *("pyproject.toml", "README.md", "LICENSE", "build.py", "supervisord.conf"),
    *("requirements", "migrations", "hogsend"),
)


@pytest.fixture(scope="module")
def names(archives: Path) -> dict[str, set[str]]:
    """Names of the files in each archive, below site-packages."""
    found = {}
    for name in ("hogsend.pyz", "hogsend-slim.pyz"):
        with zipfile.ZipFile(archives / name) as archive:
            content = io.BytesIO(archive.read("site-packages.zip"))
        with zipfile.ZipFile(content) as packages:
            found[name] = {n.removeprefix("site-packages/") for n in packages.namelist()}
    return found


@pytest.mark.slow
def test_build_elsewhere_and_from_scratch_gives_the_same_bytes(
    archives: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy of the tree"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)

    done = subprocess.run(
        [sys.executable, "build.py"], cwd=copy, capture_output=True, text=True, timeout=600
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("hogsend.pyz", "hogsend-slim.pyz"):
        assert _digest(copy / "dist" / name) == _digest(archives / name), name


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("archive", ["hogsend.pyz", "hogsend-slim.pyz"])
def test_archive_holds_everything_that_is_not_python(
    names: dict[str, set[str]], archive: str
) -> None:
    package = ROOT / "hogsend"
    wanted = {
        f"hogsend/{file.relative_to(package)}"
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    wanted |= {f"hogsend/_migrations/{file.name}" for file in (ROOT / "migrations").iterdir()}
    wanted |= {"hogsend/modes/supervisord.conf", "hogsend/_built_for"}

    assert wanted - names[archive] == set()


@pytest.mark.parametrize("archive", ["hogsend.pyz", "hogsend-slim.pyz"])
def test_archive_holds_bytecode_of_every_module(names: dict[str, set[str]], archive: str) -> None:
    tag = sys.implementation.cache_tag
    missing = []
    for name in names[archive]:
        path = Path(name)
        compiled = str(path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc")
        if name.startswith("hogsend/") and path.suffix == ".py" and compiled not in names[archive]:
            missing.append(name)

    assert missing == []


@pytest.mark.parametrize("archive", ["hogsend.pyz", "hogsend-slim.pyz"])
def test_archive_lists_few_files_because_each_start_reads_the_list(
    archives: Path, archive: str
) -> None:
    with zipfile.ZipFile(archives / archive) as opened:
        names = opened.namelist()
        packages = opened.getinfo("site-packages.zip")

    assert len(names) < 12, names
    # Compressed a second time it would only be slower.
    assert packages.compress_type == zipfile.ZIP_STORED


@pytest.mark.parametrize("unused", ["setuptools", "grpc_tools", "pip", "pytest", "bin"])
def test_archive_holds_nothing_that_never_runs(names: dict[str, set[str]], unused: str) -> None:
    everywhere = names["hogsend.pyz"] | names["hogsend-slim.pyz"]

    assert [name for name in everywhere if name.startswith(f"{unused}/")] == []


def test_only_the_full_archive_holds_servers(names: dict[str, set[str]]) -> None:
    def servers(archive: str) -> set[str]:
        programs = ("postgres", "initdb", "valkey-server")
        return {Path(n).name for n in names[archive] if Path(n).name in programs}

    assert servers("hogsend.pyz") == {"postgres", "initdb", "valkey-server"}
    assert servers("hogsend-slim.pyz") == set()


def test_lock_covers_every_dependency_of_the_project() -> None:
    import re
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lock = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    embedded = (ROOT / "requirements" / "embedded.txt").read_text("utf-8")
    locked = {line.split(" ")[0].lower() for line in (lock + embedded).splitlines() if "==" in line}

    wanted = [*project["dependencies"], *extras["supervisor"], *extras["embedded"], *extras["dev"]]

    assert [w for w in wanted if re.sub(r"\[.*\]", "", w).lower() not in locked] == []
