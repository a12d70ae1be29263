from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hogsend.client import Hogsend, RateLimited, ServerFailed, Unreachable, mint_user_token
from hogsend.client.transport import Options, dump
from hogsend.kernel.tokens import TokenSigner

ACCEPTED = {"stored": True, "exits": [], "contactKey": "u"}


@dataclass
class Script:
    """What a server answers, one after the other; ``None`` drops the connection."""

    answers: list[tuple[int, dict[str, str], Any] | None] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    slept: list[float] = field(default_factory=list)

    def client(self, **options: Any) -> Hogsend:
        return Hogsend(
            self.url,
            "hsk_x",
            options=Options(**{"timeout_seconds": 5.0, **options}),
            sleep=self.slept.append,
            jitter=lambda: 1.0,
        )


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            data = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.seen.append(
                (self.command, self.path, headers, json.loads(data) if data else None)
            )
            answer = script.answers.pop(0)
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, sent, body = answer
            payload = json.dumps(body).encode()
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/"
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def test_retry_sends_the_same_key_again(script: Script) -> None:
    script.answers = [None, (503, {}, {"error": "x"}), (202, {}, ACCEPTED)]

    with script.client() as client:
        client.events.send("a", user_id="u")

    keys = {headers["idempotency-key"] for _, _, headers, _ in script.seen}
    assert len(script.seen) == 3
    assert len(keys) == 1
    assert script.slept == [0.2, 0.4]


def test_calls_of_their_own_have_keys_of_their_own(script: Script) -> None:
    script.answers = [(202, {}, ACCEPTED)] * 3

    with script.client() as client:
        client.events.send("a", user_id="u")
        client.events.send("a", user_id="u")
        client.events.send("a", user_id="u", idempotency_key="mine")

    keys = [headers["idempotency-key"] for _, _, headers, _ in script.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"
    assert script.seen[2][3]["idempotencyKey"] == "mine"


def test_retry_after_is_waited_for(script: Script) -> None:
    script.answers = [(429, {"Retry-After": "7"}, {"error": "x"}), (202, {}, ACCEPTED)]

    with script.client() as client:
        client.events.send("a", user_id="u")

    assert script.slept == [7.0]


def test_retry_after_too_long_is_told(script: Script) -> None:
    script.answers = [(429, {"Retry-After": "60"}, {"error": "Rate limit exceeded"})]

    with script.client() as client, pytest.raises(RateLimited) as caught:
        client.events.send("a", user_id="u")

    assert caught.value.retry_after_seconds == 60
    assert script.slept == []


def test_request_in_progress_is_asked_again(script: Script) -> None:
    busy = (409, {"X-Error-Code": "request_in_progress"}, {"error": "x"})
    script.answers = [busy, (202, {}, ACCEPTED)]

    with script.client() as client:
        assert client.events.send("a", user_id="u").stored


def test_failure_that_stays_is_told_with_the_last_answer(script: Script) -> None:
    script.answers = [(500, {"X-Request-Id": "r"}, {"error": "Internal Server Error"})] * 3

    with script.client(attempts=3) as client, pytest.raises(ServerFailed) as caught:
        client.events.send("a", user_id="u")

    assert str(caught.value) == "500: Internal Server Error"
    assert caught.value.request_id == "r"
    assert len(script.seen) == 3


def test_refusal_is_not_repeated(script: Script) -> None:
    script.answers = [(400, {}, {"error": "no"})]

    with script.client() as client, pytest.raises(Exception, match="no"):
        client.events.send("a", user_id="u")

    assert len(script.seen) == 1


def test_lost_answer_to_a_delete_counts_as_done(script: Script) -> None:
    script.answers = [None, (404, {}, {"error": "Contact not found"})]

    with script.client() as client:
        client.contacts.delete(user_id="u")

    assert [method for method, _, _, _ in script.seen] == ["DELETE", "DELETE"]


def test_server_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    slept: list[float] = []

    with (
        Hogsend(f"http://127.0.0.1:{port}", "hsk_x", sleep=slept.append) as client,
        pytest.raises(Unreachable) as caught,
    ):
        client.lists.list()

    assert caught.value.status == 0
    assert len(slept) == 3


def test_request_carries_key_and_query(script: Script) -> None:
    script.answers = [(200, {}, {"lists": []})]

    with script.client() as client:
        client.lists.list(email="a+b@c.example")

    method, path, headers, body = script.seen[0]
    assert (method, path, body) == ("GET", "/v1/lists?email=a%2Bb%40c.example", None)
    assert headers["authorization"] == "Bearer hsk_x"
    assert "content-type" not in headers
    assert "idempotency-key" not in headers


def test_values_become_json() -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 5000, tzinfo=UTC)

    assert dump({"at": at}) == b'{"at":"2026-01-01T12:00:00.005Z"}'
    with pytest.raises(ValueError, match="zone"):
        dump({"at": at.replace(tzinfo=None)})
    with pytest.raises(TypeError, match="no JSON form"):
        dump({"x": object()})
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"x": float("nan")})


def test_user_token_is_what_the_server_expects() -> None:
    token = mint_user_token("secret", "ü 1", now=1_700_000_000)

    signer = TokenSigner("secret")
    now = datetime.fromtimestamp(1_700_000_100, UTC)
    assert signer.user_of(token, now=now) == "ü 1"


def test_importing_the_client_loads_nothing_of_the_engine() -> None:
    code = (
        "import sys, hogsend.client, hogsend.client.outbox, hogsend.client.relay;"
        "print(sorted(n for n in sys.modules if n.startswith('hogsend')"
        " and not n.startswith('hogsend.client')),"
        " [n for n in ('pydantic','falcon','pg8000','redis','structlog','sqlalchemy')"
        " if n in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['hogsend'] []"
