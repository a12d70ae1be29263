"""Containers by hand: namespaces, a read-only root, a user without rights; no engine needed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.packaging.dockerfile import Stage, environment, only

_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
SHELLS = ("bash", "dash", "sh", "rbash")


@dataclass(kw_only=True)
class Image:
    """A root file system and what the final stage says about running it."""

    root: Path
    stage: Stage
    workdir: str = "/"
    user: str = "0:0"
    environ: dict[str, str] = field(default_factory=dict)

    def replay(self, sources: Mapping[str, Path], context: Path) -> None:
        """Do what the stage's instructions say; ``sources`` are files of earlier stages."""
        self.environ = {"PATH": _PATH}
        for instruction in self.stage:
            match instruction.name:
                case "RUN":
                    self.build(instruction.text)
                case "COPY":
                    self._copy(instruction.words, sources, context)
                case "ENV":
                    self.environ |= environment([instruction])
                case "USER":
                    self.user = instruction.text
                case "WORKDIR":
                    self.workdir = instruction.text
                    (self.root / instruction.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case _:
                    continue  # says how to run it, or nothing that matters here

    def processes(self) -> list[int]:
        """Who runs on this root now, as this machine calls them; zombies do not."""
        here = os.stat(self.root)
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _stands_on(entry / "root", here)
        ]

    def build(self, script: str, *, workdir: str = "/") -> None:
        """As ``RUN``: root, with a shell."""
        done = subprocess.run(
            ["chroot", str(self.root), "/bin/sh", "-c", f"cd {shlex.quote(workdir)} && {script}"],
            env=self.environ or {"PATH": _PATH},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"

    def remove_shells(self) -> None:
        """Whatever needs one from now on fails."""
        for directory in ("bin", "usr/bin"):
            for name in SHELLS:
                (self.root / directory / name).unlink(missing_ok=True)

    def _copy(self, words: Sequence[str], sources: Mapping[str, Path], context: Path) -> None:
        from_stage = words[0].startswith("--from=")
        *names, target = words[1:] if from_stage else words
        for name in names:
            source = sources[name] if from_stage else context / name
            place = self.root / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(source, place)


@dataclass(kw_only=True)
class Container:
    """One process as PID 1 of its own namespace, on a root it cannot write to.

    It cannot outlive whoever started it. Between both stands a namespace whose first process is
    root's: the kernel forgets a wish to die with the parent when a process changes its user, as
    the image's own does, but it always ends a namespace with its first process.
    """

    image: Image
    process: subprocess.Popen[bytes]
    log_file: Path

    @classmethod
    def run(
        cls, image: Image, log_file: Path, environ: Mapping[str, str], arguments: Sequence[str]
    ) -> Container:
        """Start ENTRYPOINT with ``arguments`` in place of CMD."""
        command = [*only(image.stage, "ENTRYPOINT").form, *arguments]
        root = shlex.quote(str(image.root))
        inside = shlex.join(_as_user(image, command))
        script = (
            f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && "
            f"mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc && "
            f"exec {inside}"
        )
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *("unshare", "--pid", "--fork", "--kill-child"),
                    *("unshare", "--mount", "--pid", "--fork", "sh", "-c", script),
                ],
                env=dict(image.environ) | dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return cls(image=image, process=process, log_file=log_file)

    @property
    def log(self) -> str:
        """Everything it printed."""
        return self.log_file.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """PID 1, as this machine calls it."""
        return _only_child(_only_child(self.process.pid))

    def stop(self) -> int:
        """SIGTERM to PID 1, as engines do; the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(timeout=60)

    def wait(self, seconds: float = 60) -> int:
        """The exit code."""
        return self.process.wait(timeout=seconds)

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """As ``docker exec``: beside PID 1, as its user."""
        return subprocess.run(
            [
                *("nsenter", "--target", str(self.pid), "--mount", "--pid"),
                *_as_user(self.image, command),
            ],
            env=dict(self.image.environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def destroy(self) -> None:
        """Kill whatever is left; idempotent."""
        self.process.kill()
        self.process.wait(timeout=10)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _stands_on(root: Path, place: os.stat_result) -> bool:
    """Compares the directory itself: its path looks different from every mount namespace."""
    try:
        found = os.stat(root)
    except OSError:
        return False  # gone, or a zombie
    return (found.st_dev, found.st_ino) == (place.st_dev, place.st_ino)


def _as_user(image: Image, command: Sequence[str]) -> list[str]:
    return [
        "chroot",
        f"--userspec={image.user}",
        "--groups=",
        str(image.root),
        "/usr/bin/env",
        f"--chdir={image.workdir}",
        *command,
    ]
