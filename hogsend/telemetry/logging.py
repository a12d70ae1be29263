"""Log lines on standard output: JSON for machines, a console form on a terminal."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from hogsend.settings import Mode, Settings
from hogsend.telemetry.redact import redact, redact_text

_LEVELS = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    # Adds the access log; who writes it decides, see is_access_logged.
    "http": logging.INFO,
    "debug": logging.DEBUG,
}
# waitress.queue reports each queued request, which costs most when there is least to spare.
_LIBRARY_LEVELS = {
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "grpc": logging.WARNING,
    "hatchet_sdk": logging.WARNING,
    "urllib3": logging.WARNING,
    "waitress": logging.WARNING,
    "waitress.queue": logging.ERROR,
}


def configure(settings: Settings, *, mode: Mode, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers to ``stream``, standard output if None.

    Call once per process, before the first line is logged; a second call replaces the first.
    Libraries are heard from warnings up; your content's loggers follow LOG_LEVEL.
    """
    output = stream or _line_buffered(sys.stdout)
    is_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not output.isatty()
    )
    level = _LEVELS[settings.log_level]
    common = _common_processors(service=settings.service_name, mode=mode)
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *common],
            processors=[_drop_bookkeeping, *_render(is_json=is_json, is_color=output.isatty())],
        )
    )
    _install(handler, level=level)


def is_access_logged(settings: Settings) -> bool:
    """True when LOG_LEVEL asks for one line per request."""
    return settings.log_level in ("http", "debug")


def _install(handler: logging.Handler, *, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, floor in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(floor)
    logging.captureWarnings(capture=True)


def _common_processors(*, service: str, mode: Mode) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _stamp(service=service, mode=mode),
        structlog.processors.StackInfoRenderer(),
    ]


def _stamp(*, service: str, mode: Mode) -> Processor:
    def stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        event.setdefault("mode", mode)
        return event

    return stamp


def _render(*, is_json: bool, is_color: bool) -> list[Processor]:
    if is_json:
        return [
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
    console = structlog.dev.ConsoleRenderer(
        colors=is_color, exception_formatter=_redacted(structlog.dev.plain_traceback)
    )
    return [redact, console]


def _redacted(write: Callable[[TextIO, Any], None]) -> Callable[[TextIO, Any], None]:
    def write_redacted(output: TextIO, exc_info: Any) -> None:
        text = StringIO()
        write(text, exc_info)
        output.write(redact_text(text.getvalue()))

    return write_redacted


def _drop_bookkeeping(_logger: object, _method: str, event: EventDict) -> EventDict:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event


def _to_json(event: EventDict, **_options: Any) -> str:
    return json.dumps(event, ensure_ascii=False, default=str, separators=(",", ":"))


def _line_buffered(output: TextIO) -> TextIO:
    reconfigure = getattr(output, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
    return output
