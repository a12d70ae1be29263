from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest

from hogsend.email.providers.base import WireMessage
from tests.fakes.certificates import Certificate, make_certificate

SEND_ID = UUID("01990000-0000-7000-8000-000000000001")


@pytest.fixture
def message() -> WireMessage:
    return WireMessage(
        send_id=SEND_ID,
        idempotency_key=f"hs:{SEND_ID}",
        sender="Grüße <hello@example.com>",
        to="ada@example.org",
        subject="Schöne Grüße",
        html="<p>Größe</p>\r\n<p>.</p>",
        text="Größe\n.\nEnd",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        reply_to=("help@example.com",),
        headers={"X-Campaign": "spring"},
        tags={"hs_send_id": str(SEND_ID), "hs_template": "activation/nudge 1"},
    )


@dataclass
class Seen:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class VendorServer:
    """A local HTTP server whose next answer a test writes down."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    behaviour: str = "answer"  # answer | drop (after the request) | half (of the answer)
    then: str | None = None  # the behaviour after the next request
    seen: list[Seen] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def vendor() -> Iterator[VendorServer]:
    script = VendorServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            names = {name.lower(): value for name, value in self.headers.items()}
            script.seen.append(Seen(self.path, names, body))
            behaviour = script.behaviour
            script.behaviour, script.then = script.then or behaviour, None
            if behaviour == "drop":
                self.close_connection = True
                return
            self.send_response(script.status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            extra = 10 if behaviour == "half" else 0
            self.send_header("Content-Length", str(len(script.body) + extra))
            self.end_headers()
            self.wfile.write(script.body)
            self.close_connection = behaviour == "half"

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@dataclass
class ScriptedMailServer:
    """Answers each SMTP verb as told; ``None`` hangs up. Serves any number of connections."""

    answers: dict[str, str | None] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    port: int = 0

    def answer(self, verb: str, default: str) -> str | None:
        return self.answers.get(verb, default)


@pytest.fixture
def scripted_mail_server() -> Iterator[ScriptedMailServer]:
    script = ScriptedMailServer()
    listener = socket.create_server(("127.0.0.1", 0))
    script.port = listener.getsockname()[1]
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                _converse(script, lines.readline, connection.sendall)

    thread = threading.Thread(target=serve)
    thread.start()
    yield script
    stopping.set()
    with socket.create_connection(("127.0.0.1", script.port)):
        pass
    thread.join()
    listener.close()


def _converse(
    script: ScriptedMailServer, read: Callable[[], bytes], write: Callable[[bytes], None]
) -> None:
    defaults = {"DATA": "354 go on", "QUIT": "221 bye"}
    try:
        greeting = script.answer("GREETING", "220 scripted")
        if greeting is None:
            return
        write(greeting.encode() + b"\r\n")
        while line := read():
            script.lines.append(line.decode().strip())
            verb = line.split()[0].decode().upper()
            reply = script.answer(verb, defaults.get(verb, "250 ok"))
            if reply is None:
                return
            write(reply.encode() + b"\r\n")
            if verb == "DATA" and reply.startswith("354"):
                script.received.append(_read_content(read))
                final = script.answer("CONTENT", "250 queued")
                if final is None:
                    return
                write(final.encode() + b"\r\n")
    except OSError:
        return


def _read_content(read: Callable[[], bytes]) -> bytes:
    content = b""
    while (line := read()) not in (b".\r\n", b""):
        content += line
    return content
