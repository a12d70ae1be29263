"""The directory in which embedded servers keep everything."""

from __future__ import annotations

import os
import pwd
import secrets
from pathlib import Path

from hogsend.embedded.binaries import RunAs, can_traverse
from hogsend.embedded.ports import find_free_port, is_free
from hogsend.errors import ConfigError

_UNPRIVILEGED = "nobody"


_SYSTEM = Path("/var/lib/hogsend")


def locate(wanted: Path, *, is_chosen: bool) -> Path:
    """Where the data really goes: ``wanted``, except when nobody chose it and it cannot work.

    The default lies in the working directory. Below a home directory of root the embedded
    servers, which do not run as root, could not reach it; then it is ``/var/lib/hogsend``.
    """
    path = wanted.absolute()
    if is_chosen or os.geteuid() != 0:
        return path
    nearest = next(part for part in (path, *path.parents) if part.exists())
    # Only what is above counts: the directory itself is opened by DataDirectory.
    above = nearest if nearest != path else path.parent
    return path if can_traverse(above, _choose_user()) else _SYSTEM


class DataDirectory:
    """Passwords, ports and server data below one path; ``run_as`` is who the servers run as.

    Started as root the servers run as the existing user ``nobody``, because PostgreSQL refuses
    root; otherwise as ourselves.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run_as = _choose_user()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.run_as is not None:
            self.path.chmod(self.path.stat().st_mode | 0o011)
        if not can_traverse(self.path, self.run_as):
            raise ConfigError(
                f"the user {_UNPRIVILEGED}, as which embedded servers run, cannot reach {path}",
                code="data_directory_unreachable",
                hint="set HOGSEND_DATA_DIR to a directory like /var/lib/hogsend",
            )

    @property
    def programs(self) -> Path:
        """Where copies of server programs go when the installed ones cannot be used."""
        directory = self.path / "programs"
        directory.mkdir(exist_ok=True, mode=0o755)
        directory.chmod(0o755)
        return directory

    def own(self, path: Path, *, mode: int) -> None:
        """Hand a file or directory to the servers' user."""
        path.chmod(mode)
        if self.run_as is not None:
            os.chown(path, *self.run_as)

    def create_for_server(self, name: str) -> Path:
        """An empty or existing directory that only the servers' user can open."""
        directory = self.path / name
        directory.mkdir(exist_ok=True, mode=0o700)
        self.own(directory, mode=0o700)
        return directory

    def password(self, name: str) -> str:
        """A random password made once and kept in a file only we can read."""
        return keep_secret(self.path / f"{name}.password")

    def port(self, name: str, wanted: int | None) -> int:
        """A free loopback port: the wanted one, the one used last time, or any.

        Raises ConfigError when the wanted port is taken.
        """
        file = self.path / f"{name}.port"
        if wanted is not None and not is_free(wanted):
            raise ConfigError(f"port {wanted} for {name} is in use", code="port_in_use")
        chosen = wanted or _read_port(file)
        if chosen is None or not is_free(chosen):
            chosen = find_free_port()
        file.write_text(f"{chosen}\n", encoding="ascii")
        return chosen


def keep_secret(file: Path) -> str:
    """The 32 random characters in ``file``, which is made with mode 0600 the first time."""
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        secret = secrets.token_urlsafe(24)
        write_private(file, secret + "\n")
        return secret


def write_private(file: Path, text: str) -> None:
    """Create a file with mode 0600, complete or not at all."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.rename(file)


def _read_port(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def _choose_user() -> RunAs:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError as error:
        raise ConfigError(
            f"embedded servers cannot run as root and there is no user {_UNPRIVILEGED}",
            code="no_unprivileged_user",
            hint="start Hogsend as another user than root",
        ) from error
    return entry.pw_uid, entry.pw_gid
