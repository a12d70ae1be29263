"""The server as clients meet it: a process, sockets, signals."""

from __future__ import annotations

import http.client
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE, wait_until

SCRIPT = Path(__file__).with_name("server_process.py")
LIMIT = 64 * 1024


@contextmanager
def running(
    processes: int = 1, *, drain: float = 5.0, stdin: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    argv = [sys.executable, str(SCRIPT), str(processes), str(drain)]
    if stdin is not None:
        argv.append("inherit")
    environ = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=stdin, text=True, env=environ)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        wait_until(lambda: is_answered(port))
        yield process, port
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)
        process.stdout.close()  # type: ignore[union-attr]  # PIPE was asked for


def is_answered(port: int) -> bool:
    try:
        return call(port, "/pid")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def wait_for_slow(process: subprocess.Popen[str]) -> None:
    """Until a request for ``/slow`` is at work."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 30 * PATIENCE)[0]
    assert process.stdout.readline() == "begun\n"


def call(
    port: int, path: str, *, method: str = "GET", body: bytes | None = None, host: str = "127.0.0.1"
) -> tuple[int, Any, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(host, port, timeout=15)
    try:
        connection.request(method, path, body=body)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null"), response.headers
    finally:
        connection.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as (_, found):
        yield found


def test_keep_alive_serves_many_requests_on_one_connection(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    first = connection.sock

    for size in (0, 1, 1000, 20000):
        connection.request("POST", "/echo", body=b"x" * size)
        response = connection.getresponse()
        assert json.loads(response.read()) == {"size": size}
        assert response.headers["Connection"] is None
        assert response.headers["Server"] is None

    assert connection.sock is first
    connection.close()


def test_body_sent_in_chunks_is_read_whole(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/echo", body=iter([b"a" * 10, b"b" * 20]), encode_chunked=True)

    assert json.loads(connection.getresponse().read()) == {"size": 30}
    connection.close()


@pytest.mark.parametrize("size", [LIMIT, LIMIT - 1])
def test_body_of_the_limit_is_accepted(port: int, size: int) -> None:
    assert call(port, "/echo", method="POST", body=b"x" * size)[:2] == (200, {"size": size})


def test_body_above_the_limit_answers_413_json(port: int) -> None:
    status, body, headers = call(port, "/echo", method="POST", body=b"x" * (4 * 1024 * 1024))

    assert status == 413
    assert set(body) == {"error"}
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_address_above_the_limit_answers_431_json(port: int) -> None:
    status, body, headers = call(port, f"/echo?q={'x' * 70_000}")

    assert status == 431
    assert set(body) == {"error"}
    assert headers["Content-Type"] == "application/json"


def test_body_announced_too_large_is_refused_before_it_is_sent(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )

        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_malformed_request_answers_json(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /pid HTTP/1.1\r\nbroken header\r\n\r\n")
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert answer.endswith(b'{"error":"Bad Request"}')


def test_encoded_slash_stays_in_its_segment(port: int) -> None:
    assert call(port, "/slow/0%2E01")[1] == {"slept": "0.01"}
    assert call(port, "/slow/0%2F1/x")[0] == 404


def test_both_address_families_are_served(port: int) -> None:
    assert call(port, "/pid", host="127.0.0.1")[1]["ip"] == "127.0.0.1"
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    probe.close()
    assert call(port, "/pid", host="::1")[1]["ip"] == "::1"


def test_many_keep_alive_clients_do_not_collapse(port: int) -> None:
    """The stock channel falls to a tenth of the rate here (see web/channel.py)."""
    few, many = rate(port, clients=8), rate(port, clients=64)

    assert many > few * 0.5


def rate(port: int, *, clients: int, seconds: float = 1.5) -> float:
    """Requests per second with keep-alive connections driven by one poll loop."""
    request = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        opened = socket.create_connection(("127.0.0.1", port), timeout=10)
        selector.register(opened, selectors.EVENT_READ)
        opened.sendall(request)
    answered, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(timeout=0.5):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            assert client.recv(65536)
            answered += 1
            client.sendall(request)
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]  # sockets only
    selector.close()
    return answered / seconds


def test_requests_sent_ahead_are_answered_one_by_one_in_order(port: int) -> None:
    ahead = [f"/slow/0.{n}" for n in (3, 1, 2)] + ["/pid"]
    text = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in ahead)

    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for byte in (text[:40], text[40:]):
            client.sendall(byte.encode())
            time.sleep(0.1)
        got = b""
        while got.count(b"HTTP/1.1 200") < len(ahead) or not got.endswith(b"}"):
            got += client.recv(65536)

    slept = [part.split(b'"')[1] for part in got.split(b'"slept":')[1:]]
    assert slept == [b"0.3", b"0.1", b"0.2"]


def test_client_that_finished_sending_still_gets_its_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /slow/0.3 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        client.shutdown(socket.SHUT_WR)

        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200")


def test_answer_larger_than_the_socket_holds_arrives_whole_and_in_time(port: int) -> None:
    started = time.monotonic()

    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.3)
        got = 0
        while data := client.recv(65536):
            got += len(data)

    assert got > 32_000_000
    assert time.monotonic() - started < 20  # one piece a second would take longer


@pytest.mark.parametrize("processes", [1, 2])
def test_stop_finishes_requests_in_flight(processes: int) -> None:
    with running(processes) as (process, port):
        idle = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        idle.request("GET", "/pid")
        idle.getresponse().read()
        answers: list[tuple[int, Any, Any]] = []
        client = threading.Thread(target=lambda: answers.append(call(port, "/slow/1.5")))
        client.start()
        wait_for_slow(process)

        process.send_signal(signal.SIGTERM)
        client.join(timeout=30)

        assert process.wait(timeout=30) == 0
        assert [a[:2] for a in answers] == [(200, {"slept": "1.5"})]
        assert answers[0][2]["Connection"] == "close"
        idle.close()


def test_stop_gives_up_after_the_drain_time_with_exit_code_1() -> None:
    with running(drain=0.5) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/slow/60")
        wait_for_slow(process)

        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=40) == 1
        connection.close()


def test_stopped_server_refuses_connections() -> None:
    with running() as (process, port):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)


def test_processes_share_the_socket_and_replace_a_dead_one() -> None:
    with running(2) as (process, port):
        pids = set()

        def both_seen() -> bool:
            # slow requests at once keep one process from taking them all
            threads = [
                threading.Thread(target=lambda: pids.add(call(port, "/pid")[1]["pid"]))
                for _ in range(16)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return len(pids) >= 2

        wait_until(both_seen)
        assert process.pid not in pids

        with pytest.raises((http.client.HTTPException, OSError)):
            call(port, "/crash", method="POST")

        wait_until(lambda: is_answered(port))
        seen = set(pids)
        pids.clear()
        wait_until(both_seen)
        assert len(pids - seen) == 1
        assert process.poll() is None


def test_children_end_when_the_parent_is_killed() -> None:
    with running(2) as (process, port):
        process.kill()
        process.wait(timeout=5)

        def is_closed() -> bool:
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) != 0

        wait_until(is_closed)


def test_socket_handed_down_as_descriptor_zero_is_served() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        running(stdin=listening.fileno()) as (_, port),
    ):
        assert port == listening.getsockname()[1]
        assert call(port, "/pid")[0] == 200
