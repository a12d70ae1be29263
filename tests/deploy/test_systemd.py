"""systemd accepts the units, finds them tight, and hands the api its socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hogsend.db import Database
from hogsend.embedded.ports import find_free_port
from tests.acceptance.instance import Instance
from tests.deploy.tools import DEPLOY, require_tool
from tests.waiting import wait_until

_INSTALL = "Debian: apt-get install systemd"
_UNITS = DEPLOY / "systemd"
SERVICES = ("hogsend-migrate.service", "hogsend-api@.service", "hogsend-worker@.service")
# 0 is tight, 10 is open; systemd calls everything below 2 good.
_MOST_EXPOSED = 2.0


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with instances, and programs that exist on this machine."""
    pyz = tmp_path / "hogsend.pyz"
    pyz.touch(mode=0o755)
    for unit in _UNITS.iterdir():
        text = unit.read_text().replace("/opt/hogsend/hogsend.pyz", str(pyz))
        text = text.replace("/usr/bin/python3", sys.executable)
        (tmp_path / unit.name).write_text(text)
        if "@." in unit.name:
            (tmp_path / unit.name.replace("@.", "@1.")).write_text(text)
    return tmp_path


def test_units_are_valid(installed: Path) -> None:
    tool = require_tool("systemd-analyze", install=_INSTALL)
    names = [
        path.name
        for path in installed.iterdir()
        if path.suffix in (".service", ".socket", ".target") and "@." not in path.name
    ]

    judged = subprocess.run(
        [tool, "verify", "--man=no", *(str(installed / name) for name in sorted(names))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{installed}:"},
    )

    ours = [line for line in judged.stderr.splitlines() if "hogsend" in line]
    assert (judged.returncode, ours) == (0, []), judged.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_locked_down(name: str) -> None:
    tool = require_tool("systemd-analyze", install=_INSTALL)

    judged = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", str(_UNITS / name)],
        capture_output=True,
        text=True,
        check=False,
    )

    last = judged.stdout.strip().splitlines()[-1]
    score = float(last.partition(": ")[2].split()[0])
    assert score < _MOST_EXPOSED, last


@pytest.mark.integration
@pytest.mark.parametrize("flag", ["--inetd", "--accept=no"])
def test_api_takes_the_socket_that_systemd_holds(
    flag: str, dsn: str, redis_url: str, database: Database, tmp_path: Path
) -> None:
    """``--inetd`` is StandardInput=socket, the other is plain socket activation."""
    tool = require_tool("systemd-socket-activate", install=_INSTALL)
    port = find_free_port()
    instance = Instance(
        dsn=dsn,
        redis_url=redis_url,
        database=database,
        directory=tmp_path,
        engine={"HOGSEND_ORCHESTRATOR": "local"},
        port=port,
    )
    environ = instance.environ | {"PORT": "1"}  # it must not open a port of its own
    passed = [f"--setenv={name}={value}" for name, value in environ.items()]
    kind = ["--inetd"] if flag == "--inetd" else []
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(tool, f"--listen=127.0.0.1:{port}", *kind, *passed),
                *(sys.executable, "-m", "hogsend", "api"),
            ],
            env={"PATH": os.environ["PATH"]},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(instance.is_live, seconds=30, what=lambda: f"live\n{instance.log('api')}")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0, instance.log("api")
