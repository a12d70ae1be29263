from __future__ import annotations

import json
import logging as stdlib
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
import structlog

from hogsend import settings
from hogsend.access import bootstrap
from hogsend.telemetry import logging, markers


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = stdlib.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    stdlib.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(output: StringIO, **environ: str) -> StringIO:
    logging.configure(settings.load(environ, mode="cli"), mode="worker", stream=output)
    return output


def lines(output: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_line_off_a_terminal_is_json_with_time_level_service_and_mode() -> None:
    output = configured(StringIO())

    structlog.get_logger().info("journey.advanced", journey="first-week")

    (line,) = lines(output)
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() is not None
    assert line == {
        "event": "journey.advanced",
        "journey": "first-week",
        "level": "info",
        "service": "hogsend",
        "mode": "worker",
    }


def test_context_of_the_request_is_on_every_line() -> None:
    output = configured(StringIO())
    structlog.contextvars.bind_contextvars(request_id="r1")

    structlog.get_logger().info("a.happened")
    stdlib.getLogger("content").info("by a %s", "library")

    assert [line["request_id"] for line in lines(output)] == ["r1", "r1"]
    assert lines(output)[1]["event"] == "by a library"


def test_terminal_gets_the_console_form_and_json_on_demand() -> None:
    console = configured(Terminal()).getvalue
    structlog.get_logger().info("a.happened", n=1)
    assert "a.happened" in console()
    assert not console().startswith("{")

    output = configured(Terminal(), LOG_FORMAT="json")
    structlog.get_logger().info("a.happened")
    assert lines(output)[0]["event"] == "a.happened"


def test_console_off_a_terminal_has_no_colours() -> None:
    output = configured(StringIO(), LOG_FORMAT="console")

    structlog.get_logger().error("a.failed")

    assert "\x1b" not in output.getvalue()


@pytest.mark.parametrize(
    ("level", "expected"),
    [("error", 1), ("warn", 2), ("info", 3), ("http", 3), ("debug", 4)],
)
def test_level_filters_both_kinds_of_loggers(level: str, expected: int) -> None:
    output = configured(StringIO(), LOG_LEVEL=level)

    for logger in (structlog.get_logger(), stdlib.getLogger("content")):
        logger.error("e")
        logger.warning("w")
        logger.info("i")
        logger.debug("d")

    assert len(lines(output)) == 2 * expected


def test_noisy_libraries_are_heard_from_warnings_up() -> None:
    output = configured(StringIO())

    stdlib.getLogger("urllib3.connectionpool").info("chatter")
    stdlib.getLogger("waitress.queue").warning("Task queue depth is 1")
    stdlib.getLogger("hatchet_sdk.worker").warning("lost")

    assert [line["event"] for line in lines(output)] == ["lost"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_redacted_in_fields_and_tracebacks(form: str) -> None:
    output = configured(StringIO(), LOG_FORMAT=form)

    try:
        raise RuntimeError("postgresql://app:s3cr3t@db/app")
    except RuntimeError:
        structlog.get_logger().exception("a.failed", password="s3cr3t")

    assert "RuntimeError" in output.getvalue()
    assert "s3cr3t" not in output.getvalue()


@pytest.mark.parametrize(
    ("level", "expected"), [("info", False), ("http", True), ("debug", True), ("warn", False)]
)
def test_access_log_is_asked_for_by_level(level: str, expected: bool) -> None:
    loaded = settings.load({"LOG_LEVEL": level}, mode="cli")

    assert logging.is_access_logged(loaded) is expected


def test_markers_are_the_texts_that_bootstrap_writes() -> None:
    assert bootstrap.__file__ is not None
    with open(bootstrap.__file__, encoding="utf-8") as source:
        text = source.read()

    assert markers.FIRST_KEY in text
    assert markers.FIRST_ADMIN in text
