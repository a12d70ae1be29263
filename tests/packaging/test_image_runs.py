"""The image without an engine for containers: its final stage replayed on a bare Debian, then run
as it would be, as a user without rights, on a read-only root without a shell.

The base is Debian with its own Python in place of the official image: both are Debian and the same
Python minor version.
"""

from __future__ import annotations

import http.client
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.embedded.ports import find_free_port
from tests.deploy.tools import require_tool
from tests.fakes.hatchet_engine import StubEngine
from tests.packaging.container import SHELLS, Container, Image
from tests.packaging.dockerfile import only, read_stages
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
_BASE = ROOT / "build" / "image" / "bookworm"

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Start = Callable[..., Container]


@pytest.fixture(scope="module")
def base() -> Path:
    """Debian with Python; downloaded once (a minute), then kept in ``build/``."""
    program = require_tool("debootstrap", install="apt-get install debootstrap")
    require_tool("unshare", install="apt-get install util-linux")
    allowed = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    if os.geteuid() != 0 or allowed.returncode != 0:
        reason = "needs root and namespaces"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    if not _BASE.is_dir():
        unfinished = _BASE.with_name(f".{_BASE.name}.{os.getpid()}")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [
                *(program, "--variant=minbase", "--include=python3,ca-certificates"),
                *("bookworm", str(unfinished)),
            ],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        unfinished.rename(_BASE)
    return _BASE


@pytest.fixture(scope="module")
def image(base: Path, archives: Path) -> Iterator[Image]:
    """The final stage on the base, after what it copies from the build stage was made there."""
    # Not pytest's directory: the image's user must reach its root.
    root = ROOT / "build" / "image" / f"run-{os.getpid()}"
    shutil.rmtree(root, ignore_errors=True)
    try:
        yield _make_image(base, archives, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _make_image(base: Path, archives: Path, root: Path) -> Image:
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True, timeout=120)
    (root / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
    build, final = read_stages(ROOT / "Dockerfile")
    made = Image(root=root, stage=final)
    source = root / "src" / "dist" / "hogsend-slim.pyz"
    source.parent.mkdir(parents=True)
    shutil.copy(archives / "hogsend-slim.pyz", source)
    extract = [i.text for i in build if i.name == "RUN" and "SHIV_ROOT=" in i.text]
    assert len(extract) == 1
    made.build(extract[0], workdir="/src")
    # Away from where the final stage wants it: only its own COPY may bring it there.
    extracted = (root / "opt" / "hogsend").rename(root / "src" / "extracted")
    made.replay({"/image/hogsend.pyz": root / "image/hogsend.pyz", "/opt/hogsend": extracted}, ROOT)
    shutil.rmtree(root / "image")
    shutil.rmtree(root / "src")
    made.remove_shells()
    return made


@pytest.fixture
def engine() -> Iterator[StubEngine]:
    made = StubEngine()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def start(
    image: Image, engine: StubEngine, empty_dsn: str, redis_url: str, tmp_path: Path
) -> Iterator[Start]:
    """Starts a container on the test's servers; ``PORT`` is given by the test."""
    running: list[Container] = []

    def run(*arguments: str, **environ: str) -> Container:
        settings = {
            "DATABASE_URL": empty_dsn,
            "REDIS_URL": redis_url,
            "BETTER_AUTH_SECRET": "image-secret-of-more-than-32-characters",
            "ADMIN_API_KEY": "image-key",
            "SHUTDOWN_TIMEOUT_SECONDS": "10",
            **engine.environ,
        }
        log = tmp_path / f"{'-'.join(arguments) or 'default'}-{len(running)}.log"
        container = Container.run(image, log, settings | environ, arguments)
        running.append(container)
        return container

    try:
        yield run
    finally:
        with ExitStack() as closing:
            for container in running:
                closing.callback(container.destroy)
        _wait_until_nobody_runs(image)


def test_image_has_no_shell_and_its_root_is_read_only_to_its_user(start: Start) -> None:
    port = find_free_port()
    api = start("api", PORT=str(port), SKIP_SCHEMA_CHECK="true")
    _wait(api, lambda: "Hogsend API ready" in api.log, what="ready")

    shells = [api.execute([name, "-c", "true"]).returncode for name in SHELLS]
    written = [
        api.execute(["python", "-c", f"open({place!r}, 'w')"])
        for place in ("/x", "/app/x", "/tmp/x", "/opt/hogsend/x", "/var/lib/hogsend/x")
    ]
    who = api.execute(["python", "-c", "import os; print(os.getuid(), os.getgid())"])

    assert shells == [127] * len(SHELLS)
    assert all("Read-only" in done.stderr or "Permission" in done.stderr for done in written)
    assert who.stdout.split() == ["10001", "10001"]


def test_image_help_of_the_default_command_exits_zero(start: Start, image: Image) -> None:
    default = only(image.stage, "CMD").form

    container = start(*default, "--help")

    assert container.wait() == 0
    assert "usage: hogsend api" in container.log


def test_image_runs_migrate_api_and_worker_as_first_processes(
    start: Start, image: Image, engine: StubEngine, empty_dsn: str
) -> None:
    begun = time.monotonic()
    migrate = start("migrate")
    assert migrate.wait(120) == 0, migrate.log
    assert "Migrations complete" in migrate.log
    again = start("migrate")
    assert again.wait(60) == 0, again.log
    assert "already up to date" in again.log

    port = find_free_port()
    api = start(*only(image.stage, "CMD").form, PORT=str(port))
    worker = start("worker")
    _wait(api, lambda: "Hogsend API ready" in api.log, what="api is ready")
    _wait(worker, lambda: "Hogsend worker ready" in worker.log, what="worker is ready")

    assert _request(port, "GET", "/v1/health")[0] == 200
    assert _request(port, "GET", "/studio/sign-in")[0] in (200, 302, 303)
    status, content = _request(
        port, "POST", "/v1/events", {"name": "user.signed_up", "userId": "u1"}
    )
    assert status == 202, (content, api.log[-3000:])
    db = Database(DatabaseOptions(url=empty_dsn, pool_size=1))
    try:
        enrolled = Query("enrolled", "SELECT count(*)::int FROM journey_states")
        _wait(worker, lambda: db.run(enrolled)[0][0] == 1, what="the worker enrolled somebody")
    finally:
        db.close()
    assert re.search(r"^NSpid:.*\t1$", Path(f"/proc/{api.pid}/status").read_text(), re.MULTILINE)

    check = only(image.stage, "HEALTHCHECK").form
    healthy = [
        container.execute(["env", f"PORT={port}", *check]).returncode for container in (api, worker)
    ]
    assert healthy == [0, 0]
    stopped = [api.stop(), worker.stop()]
    assert stopped == [0, 0], api.log[-2000:] + worker.log[-3000:]
    assert "Server closed" in api.log
    assert "Worker stopped" in worker.log
    assert "Traceback" not in api.log + worker.log
    print(f"migrate, api and worker in the image: {time.monotonic() - begun:.0f} s")


def test_image_first_process_without_environment_explains_itself(start: Start) -> None:
    container = start("worker", DATABASE_URL="", HATCHET_CLIENT_TOKEN="")

    assert container.wait() == 1
    assert "DATABASE_URL" in container.log
    assert "Traceback" not in container.log


def test_image_first_process_stops_while_it_waits_for_its_database(start: Start) -> None:
    container = start(
        "migrate",
        DATABASE_URL="postgresql://me@127.0.0.1:1/db",
        HOGSEND_DATABASE_WAIT_SECONDS="300",
    )
    _wait(container, lambda: "Waiting for the database" in container.log, what="it waits")

    assert container.stop() == 1


@pytest.mark.parametrize("killed", ["container", "test run"])
def test_image_process_ends_with_whoever_started_it(
    start: Start, image: Image, tmp_path: Path, killed: str
) -> None:
    waits = {
        "DATABASE_URL": "postgresql://me@127.0.0.1:1/db",
        "HOGSEND_DATABASE_WAIT_SECONDS": "300",
    }
    if killed == "container":
        container = start("migrate", **waits)
        victim = container.process
    else:
        victim = _start_elsewhere(image, tmp_path / "elsewhere.log", waits)
        container = Container(image=image, process=victim, log_file=tmp_path / "elsewhere.log")
    _wait(container, lambda: "Waiting for the database" in container.log, what="it waits")
    assert len(image.processes()) == 1

    victim.kill()
    victim.wait(10)

    _wait_until_nobody_runs(image)


def _start_elsewhere(
    image: Image, log: Path, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A process of its own that starts a container and does nothing more."""
    given = pickle.dumps((image, log, dict(environ)))
    code = (
        "import pickle, sys, time\n"
        "from tests.packaging.container import Container\n"
        "image, log, environ = pickle.loads(sys.stdin.buffer.read())\n"
        "Container.run(image, log, environ, ['migrate'])\n"
        "time.sleep(600)\n"
    )
    log.touch()
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    return process


def _wait_until_nobody_runs(image: Image) -> None:
    """The kernel ends a namespace after its first process, not with it."""
    wait_until(lambda: not image.processes(), what=lambda: f"left behind: {image.processes()}")


def _request(port: int, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": "Bearer image-key", "Content-Type": "application/json"}
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _wait(
    container: Container, condition: Callable[[], bool], *, what: str, seconds: float = 60
) -> None:
    def holds() -> bool:
        assert container.process.poll() is None, container.log[-4000:]
        return condition()

    wait_until(holds, seconds=seconds, what=lambda: f"{what}\n{container.log}")
