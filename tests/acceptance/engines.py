"""The engines the acceptance tests run on: ``local``, Hatchet's SDK on a stub, a real Hatchet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from hogsend.container.engine import LOCAL_WORKER_LOCK
from hogsend.db.locks import AdvisoryLock
from hogsend.db.queries import Query
from tests.fakes.hatchet_engine import StubEngine
from tests.fakes.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from tests.acceptance.instance import Instance


class Engine(Protocol):
    """One engine as the processes of an instance see it."""

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment of api and worker."""
        ...

    def gone(self, instance: Instance) -> AbstractContextManager[None]:
        """The engine cannot be used inside the block."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...


class LocalEngine:
    """The embedded engine; losing it means losing its lock to somebody else."""

    def __init__(self, *, namespace: str) -> None:
        self.environ: Mapping[str, str] = {"HOGSEND_ORCHESTRATOR": "local"}

    @contextmanager
    def gone(self, instance: Instance) -> Iterator[None]:
        """End the session that holds the lock and take the lock."""
        thief = AdvisoryLock(instance.database.options, LOCAL_WORKER_LOCK)
        while not thief.try_acquire():
            instance.database.run(_END_HOLDER, key=LOCAL_WORKER_LOCK)
        try:
            yield
        finally:
            thief.release()

    def close(self) -> None:
        """Nothing is held."""


class StubHatchet:
    """The real SDK against the stub engine."""

    def __init__(self, *, namespace: str) -> None:
        self._engine = StubEngine()
        self.environ: Mapping[str, str] = {
            **self._engine.environ,
            "HATCHET_CLIENT_NAMESPACE": namespace,
        }

    @contextmanager
    def gone(self, instance: Instance) -> Iterator[None]:
        """Every connection breaks and none can be made."""
        self._engine.stop()
        try:
            yield
        finally:
            self._engine.start()

    def close(self) -> None:
        """Stop the stub."""
        self._engine.close()


class RealEngine:
    """A real Hatchet named by ``HOGSEND_TEST_HATCHET_*``, reached through a proxy."""

    def __init__(self, *, namespace: str) -> None:
        self._proxy = TcpProxy(os.environ["HOGSEND_TEST_HATCHET_HOST_PORT"])
        self.environ: Mapping[str, str] = {
            "HATCHET_CLIENT_TOKEN": os.environ["HOGSEND_TEST_HATCHET_TOKEN"],
            "HATCHET_CLIENT_TLS_STRATEGY": os.environ.get(
                "HOGSEND_TEST_HATCHET_TLS_STRATEGY", "tls"
            ),
            "HATCHET_CLIENT_HOST_PORT": self._proxy.address,
            "HATCHET_CLIENT_NAMESPACE": namespace,
        }

    @contextmanager
    def gone(self, instance: Instance) -> Iterator[None]:
        """The network between us and the engine is down."""
        self._proxy.cut()
        try:
            yield
        finally:
            self._proxy.mend()

    def close(self) -> None:
        """Stop the proxy."""
        self._proxy.close()


_END_HOLDER = Query.parse(
    "end_holder",
    "SELECT pg_terminate_backend(pid) FROM pg_locks"
    " WHERE locktype = 'advisory' AND objid = CAST(:key AS bigint) AND pid <> pg_backend_pid()",
)
