"""A mail vendor on localhost that behaves like Resend's API, and misbehaves when told to.

It remembers idempotency keys: the same key and body answer the first id again, another body is
refused. What it accepted is what a recipient would have got.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(slots=True, kw_only=True)
class Faults:
    """Probabilities of each misbehaviour per call, drawn in this order."""

    busy: float = 0.0  # 429, nothing accepted
    broken: float = 0.0  # 500, nothing accepted
    hung_up: float = 0.0  # connection closed before anything was accepted
    lost: float = 0.0  # accepted, connection closed before the answer
    garbled: float = 0.0  # accepted, answer is not what it should be
    slow_seconds: float = 0.0  # of every call


@dataclass
class MailSink:
    """``accepted`` counts mails by recipient; ``keys`` maps idempotency keys to (body, ids)."""

    faults: Faults = field(default_factory=Faults)
    seed: int = 1
    remembers: bool = True
    accepted: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    url: str = ""

    def __enter__(self) -> MailSink:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[bytes, list[str]]] = {}
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = sink._receive(
                    self.path, self.headers.get("idempotency-key", ""), body
                )
                if status is None:
                    self.close_connection = True
                    return
                data = json.dumps(answer).encode()
                with suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _receive(self, path: str, key: str, body: bytes) -> tuple[int | None, Any]:
        if self.faults.slow_seconds:
            time.sleep(self.faults.slow_seconds)
        with self._lock:
            self.calls += 1
            draw = self._random.random()
            faults = self.faults
            for chance, answer in (
                (faults.busy, (429, {"name": "rate_limit_exceeded", "message": "slow down"})),
                (faults.broken, (500, {"name": "application_error", "message": "oops"})),
                (faults.hung_up, (None, None)),
            ):
                if draw < chance:
                    return answer
                draw -= chance
            known = self._keys.get(key) if self.remembers else None
            if known is not None and known[0] != body:
                return 409, {"name": "invalid_idempotent_request", "message": "another body"}
            ids = known[1] if known is not None else self._accept(key, body)
            if draw < faults.lost:
                return None, None
            if draw < faults.lost + faults.garbled:
                return 200, {"unexpected": True}
        if path.endswith("/batch"):
            return 200, {"data": [{"id": one} for one in ids]}
        return 200, {"id": ids[0]}

    def _accept(self, key: str, body: bytes) -> list[str]:
        parsed = json.loads(body)
        mails = parsed if isinstance(parsed, list) else [parsed]
        ids = []
        for mail in mails:
            self.accepted[mail["to"][0]] += 1
            ids.append(f"m-{sum(self.accepted.values())}")
        self._keys[key] = (body, ids)
        return ids
