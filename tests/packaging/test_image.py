"""The image's parts that can be checked without an engine for containers."""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.packaging.test_build import SOURCES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    """The script, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("healthcheck", ROOT / "docker/healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Api(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/v1/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An api that answers its health."""
    server = HTTPServer(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PORT", str(server.server_port))
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _first_process(tmp_path: Path, mode: str) -> Path:
    file = tmp_path / "cmdline"
    file.write_bytes(b"\0".join([b"python", b"/usr/local/lib/hogsend.pyz", mode.encode(), b""]))
    return file


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (429, 1)])
@pytest.mark.usefixtures("port")
def test_healthcheck_of_an_api_repeats_its_answer(
    healthcheck: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: int,
) -> None:
    monkeypatch.setattr(_Api, "status", status)

    assert healthcheck.main(_first_process(tmp_path, "api")) == code


def test_healthcheck_of_a_silent_api_fails(
    healthcheck: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "1")

    assert healthcheck.main(_first_process(tmp_path, "supervisor")) == 1


@pytest.mark.parametrize("mode", ["worker", "migrate"])
def test_healthcheck_of_a_mode_without_port_is_content(
    healthcheck: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("PORT", "1")

    assert healthcheck.main(_first_process(tmp_path, mode)) == 0


def test_dockerfile_copies_what_the_build_needs() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    copied = set(re.findall(r"\S+", " ".join(re.findall(r"(?m)^COPY (?!--)(.*)$", text))))

    assert set(SOURCES) <= copied


def test_image_context_lets_through_what_is_copied() -> None:
    allowed = (ROOT / ".dockerignore").read_text("utf-8").splitlines()

    assert {f"!{name}" for name in (*SOURCES, "docker")} <= set(allowed)


def test_image_runs_as_a_numeric_user_that_is_not_root() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")

    users = re.findall(r"(?m)^USER (.*)$", text)

    assert users == ["10001:10001"]
