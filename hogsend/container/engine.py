"""Chooses the engine that runs the work."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hogsend.db import Database
from hogsend.settings import Settings

if TYPE_CHECKING:
    from hogsend.orchestrator.port import Orchestrator

# One local worker per database; the key is arbitrary but fixed.
LOCAL_WORKER_LOCK = 4812010


def describe_engine(settings: Settings) -> str:
    """Name and address, for people; loads no SDK."""
    if settings.orchestrator == "local":
        return "local (embedded)"
    return f"Hatchet at {settings.hatchet_client_host_port or 'the address in its token'}"


def build_orchestrator(settings: Settings, db: Database) -> Orchestrator:
    """``local``, or Hatchet as the environment names it. Raises ConfigError."""
    drain = timedelta(seconds=settings.shutdown_timeout_seconds)
    if settings.orchestrator == "local":
        from hogsend.db.locks import AdvisoryLock
        from hogsend.orchestrator.local import LocalOptions, LocalOrchestrator

        return LocalOrchestrator(
            LocalOptions(slots=settings.hatchet_worker_slots, drain_timeout=drain),
            AdvisoryLock(db.options, LOCAL_WORKER_LOCK),
        )
    from hogsend.orchestrator.hatchet_lean import validators_on_demand
    from hogsend.orchestrator.hatchet_options import HatchetOptions

    with validators_on_demand():
        from hogsend.orchestrator.hatchet import HatchetOrchestrator

    return HatchetOrchestrator(
        HatchetOptions(
            token=settings.hatchet_client_token or "",
            host_port=settings.hatchet_client_host_port,
            server_url=settings.hatchet_client_api_url,
            namespace=settings.hatchet_client_namespace or "",
            tls_strategy=settings.hatchet_client_tls_strategy,
            tls_cert_file=settings.hatchet_client_tls_cert_file,
            tls_key_file=settings.hatchet_client_tls_key_file,
            tls_root_ca_file=settings.hatchet_client_tls_root_ca_file,
            tls_server_name=settings.hatchet_client_tls_server_name,
            worker_name=settings.hatchet_worker_name,
            slots=settings.hatchet_worker_slots,
            drain_timeout=drain,
            engine_lost_after=timedelta(seconds=settings.engine_lost_seconds),
        )
    )
