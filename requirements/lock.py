"""Writes the hashed locks of this directory: ``python requirements/lock.py``, for maintainers.

Hashes of every published file are kept, so one lock serves every platform and Python version.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PIP_TOOLS = "pip-tools==7.6.2"
OPTIONS = (
    *("--quiet", "--generate-hashes", "--strip-extras", "--allow-unsafe", "--no-annotate"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"),
)
PROJECT = str(HERE.parent / "pyproject.toml")
# dev.txt holds everything of run.txt in the same versions.
LOCKS: dict[str, tuple[str, ...]] = {
    "run.txt": ("--extra", "supervisor", PROJECT),
    "dev.txt": ("--extra", "supervisor", "--extra", "dev", "-c", str(HERE / "run.txt"), PROJECT),
    "build.txt": (str(HERE / "build.in"),),
    "embedded.txt": (str(HERE / "embedded.in"),),
}


def main() -> None:
    """Resolve again from scratch."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        programs = Path(directory, "bin")
        subprocess.run([programs / "pip", "install", "--quiet", PIP_TOOLS], check=True)
        for name, arguments in LOCKS.items():
            target = HERE / name
            target.unlink(missing_ok=True)
            subprocess.run(
                [programs / "pip-compile", *OPTIONS, "-o", target, *arguments], check=True, cwd=HERE
            )
            print(f"{target.name}: {target.read_text('utf-8').count('==')} packages")
    keep_named(HERE / "embedded.txt", (HERE / "embedded.in").read_text("utf-8"))


def keep_named(lock: Path, wanted: str) -> None:
    """Drop what the named packages depend on: their Python code is never imported."""
    names = set(re.findall(r"(?m)^([\w-]+)==", wanted))
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock.read_text("utf-8"))
    lock.write_text("".join(e for e in entries if e.split("==")[0] in names), encoding="utf-8")


if __name__ == "__main__":
    main()
