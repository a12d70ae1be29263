"""The SDK's configuration and log lines, made ours; imports the SDK."""

from __future__ import annotations

import json
import logging
from typing import Any, TypeVar

from hatchet_sdk import ClientConfig
from hatchet_sdk.config import (
    ClientTLSConfig,
    HealthcheckConfig,
    OpenTelemetryConfig,
    TenacityConfig,
)
from pydantic_settings import BaseSettings

from hogsend.orchestrator.hatchet_options import HatchetOptions

_SDK_LOGGER = "hatchet"
_Settings = TypeVar("_Settings", bound=BaseSettings)


class EngineConfig(ClientConfig):
    """A ClientConfig that also tames the SDK's logger in the listener child.

    The configuration is pickled to the child, so unpickling is the one moment our code runs
    there.
    """

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        handler = logging.StreamHandler()
        handler.setFormatter(_JsonLine())
        logger = logging.getLogger(_SDK_LOGGER)
        logger.handlers = [handler]
        logger.setLevel(logging.WARNING)


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": "hatchet.logged",
            "level": record.levelname.lower(),
            "process": "listener",
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = repr(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def build_config(options: HatchetOptions, *, health_port: int | None = None) -> EngineConfig:
    """The SDK's configuration; dot-env files of the working directory are not read.

    Task logs stay here (they can hold personal data), and the health endpoint binds loopback.
    """
    given: dict[str, Any] = {}
    if options.host_port is not None:
        given["host_port"] = options.host_port
    if options.server_url is not None:
        given["server_url"] = options.server_url
    return _build(
        EngineConfig,
        token=options.token,
        namespace=options.namespace,
        logger=logging.getLogger("hogsend.hatchet"),
        disable_log_capture=True,
        tls_config=_tls(options),
        otel=_build(OpenTelemetryConfig),
        tenacity=_build(TenacityConfig),
        healthcheck=_build(
            HealthcheckConfig,
            enabled=health_port is not None,
            port=health_port or 0,
            bind_address="127.0.0.1",
        ),
        **given,
    )


def adopt_sdk_logs() -> None:
    """Send the SDK's log records of this process through the root logger, warnings and up."""
    logger = logging.getLogger(_SDK_LOGGER)
    logger.handlers = []
    logger.propagate = True
    logger.setLevel(logging.WARNING)


def _build(kind: type[_Settings], **given: Any) -> _Settings:
    """A settings object that reads the environment but no files."""
    return kind(_env_file=None, **given)


def _tls(options: HatchetOptions) -> ClientTLSConfig:
    def text(path: object) -> str | None:
        return None if path is None else str(path)

    return _build(
        ClientTLSConfig,
        strategy=options.tls_strategy,
        cert_file=text(options.tls_cert_file),
        key_file=text(options.tls_key_file),
        root_ca_file=text(options.tls_root_ca_file),
        server_name=options.tls_server_name or "",
    )
