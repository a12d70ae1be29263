"""``__main__`` of ``hogsend.pyz``: finds what was extracted, extracts it the first time, starts it.

The archive is shiv's but for one thing: its six thousand files are one stored entry. The
interpreter reads the list of an archive's files at every start and keeps it, and shiv reads it once
more; with each file listed that took 15 MB and 60 ms in every process. Directory, lock and
variables are shiv's own: ``SHIV_ROOT``, ``SHIV_FORCE_EXTRACT``, ``SHIV_INTERPRETER``, ….

Runs before the Python version is known to fit, so nothing else of ours is imported before the end.
"""

from __future__ import annotations

import os
import sys
import zipimport

# Entries of the archive, written by build.py; its package _bootstrap is shiv's.
PACKAGES = "site-packages.zip"
BUILD_ID = "build-id"
_FORCE = "SHIV_FORCE_EXTRACT"
_OF_SHIV = (
    *("SHIV_INTERPRETER", "SHIV_ENTRY_POINT", "SHIV_CONSOLE_SCRIPT", "SHIV_MODULE"),
    *("SHIV_EXTEND_PYTHONPATH", "SHIV_PREPEND_PYTHONPATH"),
)


def main() -> int:
    """Run what the arguments say; returns the exit code."""
    archive = sys.argv[0]
    packages = os.path.join(_locate(archive), "site-packages")
    is_forced = os.environ.pop(_FORCE, "").lower() in ("yes", "true", "t", "1")
    if is_forced or not os.path.isdir(packages):
        _extract(archive, os.path.dirname(packages), is_forced=is_forced)
    if any(name in os.environ for name in _OF_SHIV):
        from _bootstrap import bootstrap

        bootstrap()
        return 0
    sys.path.insert(_find_place(), packages)
    from hogsend.entry import main as run

    return run()


def _locate(archive: str) -> str:
    """Where this archive is extracted: as shiv names it, so that nothing is extracted twice."""
    root = os.environ.get("SHIV_ROOT") or "~/.shiv"
    if root.startswith("$"):
        root = os.environ.get(root[1:], root[1:])
    build_id = zipimport.zipimporter(archive).get_data(BUILD_ID).decode("ascii")
    name = os.path.basename(os.path.realpath(archive))
    return os.path.join(os.path.expanduser(root), f"{name}_{build_id}")


def _extract(archive: str, directory: str, *, is_forced: bool) -> None:
    """Complete or not at all, once however many start at the same time."""
    import io
    import zipfile
    from pathlib import Path

    from _bootstrap import extract_site_packages

    with zipfile.ZipFile(archive) as outer:
        content = io.BytesIO(outer.read(PACKAGES))
    with zipfile.ZipFile(content) as inner:
        extract_site_packages(inner, Path(directory), force=is_forced)


def _find_place() -> int:
    """Before the packages of the interpreter, behind its standard library."""
    for number, part in enumerate(sys.path):
        if os.path.basename(part) in ("site-packages", "dist-packages"):
            return number
    return len(sys.path)


if __name__ == "__main__":
    sys.exit(main())
