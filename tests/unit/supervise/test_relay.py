"""Log lines of several programs on one stream."""

from __future__ import annotations

import json
from io import BytesIO

import pytest

from hogsend.supervise.relay import Relay, SupervisorLog


def test_relay_puts_the_program_before_every_whole_line() -> None:
    output = BytesIO()
    relay = Relay(output, is_json=False)

    relay.feed("api-1", b"one\ntw")
    relay.feed("worker", b"other\n")
    relay.feed("api-1", b"o\n")

    assert output.getvalue() == b"api-1     | one\nworker    | other\napi-1     | two\n"


def test_relay_at_the_end_of_a_program_shows_its_unfinished_line() -> None:
    output = BytesIO()
    relay = Relay(output, is_json=False)

    relay.feed("worker", b"Traceback")
    relay.end("worker")
    relay.end("worker")

    assert output.getvalue() == b"worker    | Traceback\n"


def test_relay_in_json_keeps_json_and_wraps_text() -> None:
    output = BytesIO()
    relay = Relay(output, is_json=True)

    relay.feed("api-1", b'{"event":"x"}\n')
    relay.feed("postgres", "database is up: é\n".encode())

    kept, wrapped = output.getvalue().splitlines()
    assert kept == b'{"event":"x"}'
    assert (
        json.loads(wrapped).items()
        >= {
            "program": "postgres",
            "event": "database is up: é",
            "level": "info",
        }.items()
    )


def test_relay_leaves_out_empty_lines_and_tells_listeners() -> None:
    seen: list[tuple[str, bytes]] = []
    output = BytesIO()
    relay = Relay(output, is_json=False, on_line=lambda name, line: seen.append((name, line)))

    relay.feed("api-1", b"\nready\n")

    assert output.getvalue() == b"api-1     | ready\n"
    assert ("api-1", b"ready") in seen


def test_relay_with_a_reader_that_left_goes_on() -> None:
    class Closed(BytesIO):
        def write(self, data: object, /) -> int:
            raise BrokenPipeError

    relay = Relay(Closed(), is_json=False)

    relay.feed("api-1", b"line\n")
    relay.say("still here")


@pytest.mark.parametrize(("level", "shown"), [(10, False), (20, True), (30, True), (50, True)])
def test_supervisor_log_shows_info_and_worse(level: int, shown: bool) -> None:
    output = BytesIO()
    log = SupervisorLog(Relay(output, is_json=False))

    log.log(level, "%(name)s stopped", name="api")

    assert (output.getvalue() == b"supervisor| api stopped\n") is shown
