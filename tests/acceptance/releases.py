"""Two releases as source trees: the one that runs, and the one that follows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREVIOUS_REF = "HOGSEND_TEST_PREVIOUS_REF"
_PARTS = ("hogsend", "migrations")

# What an ordinary release brings, on the tables that are busiest while it is applied.
_EXPAND = """\
-- phase: expand
-- why: a column and a function that only the new release knows
-- lock: ACCESS EXCLUSIVE on user_events, outbox and journey_states for a moment
ALTER TABLE user_events ADD COLUMN upgrade_probe text;
ALTER TABLE outbox ADD COLUMN upgrade_probe text;
ALTER TABLE journey_states ADD COLUMN upgrade_probe text NOT NULL DEFAULT 'new';
CREATE FUNCTION hogsend.upgrade_probe_v1() RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``tree`` goes on the import path."""

    tree: Path
    version: str
    origin: str


def previous(directory: Path) -> Release:
    """The release before the present source: the ref of HOGSEND_TEST_PREVIOUS_REF, else the newest
    tag, else (nothing was ever released) the present source under an older number."""
    ref = os.environ.get(PREVIOUS_REF) or _newest_tag()
    tree = directory / "previous"
    if ref is None:
        _copy(tree)
        return Release(tree=tree, version=_number(tree, "0.0.998"), origin="the present source")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", ref, *_PARTS], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(tree, filter="data")
    return Release(tree=tree, version=_number(tree, "0.0.998"), origin=ref)


def following(directory: Path) -> Release:
    """The present source as a release of its own, with one migration more."""
    tree = directory / "following"
    _copy(tree)
    (tree / "migrations" / "9990_add_upgrade_probe.sql").write_text(_EXPAND)
    return Release(tree=tree, version=_number(tree, "0.0.999"), origin="the present source")


def _newest_tag() -> str | None:
    done = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None


def _copy(tree: Path) -> None:
    for part in _PARTS:
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))


def _number(tree: Path, version: str) -> str:
    file = tree / "hogsend" / "__init__.py"
    text, count = re.subn(
        r'(?m)^__version__ = "[^"]*"', f'__version__ = "{version}"', file.read_text("utf-8")
    )
    assert count == 1, "the version is not where it was"
    file.write_text(text, "utf-8")
    return version
