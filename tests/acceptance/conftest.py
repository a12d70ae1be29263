"""Every acceptance test runs on each engine that is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from hogsend.db import Database
from tests.acceptance.engines import Engine, LocalEngine, RealEngine, StubHatchet
from tests.acceptance.instance import Instance


def engine_names(environ: Mapping[str, str]) -> list[str]:
    """``real`` is there when its token is."""
    names = ["local", "stub"]
    return [*names, "real"] if environ.get("HOGSEND_TEST_HATCHET_TOKEN") else names


@pytest.fixture(params=engine_names(os.environ))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One engine of its own for the test; a namespace of its own on a real one."""
    makers: dict[str, Callable[..., Engine]] = {
        "local": LocalEngine,
        "stub": StubHatchet,
        "real": RealEngine,
    }
    made = makers[request.param](namespace=f"t{uuid4().hex[:8]}")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def instance(
    engine: Engine, dsn: str, redis_url: str, database: Database, tmp_path: Path
) -> Iterator[Instance]:
    """A database, a mail directory and the engine's environment; nothing started yet."""
    made = Instance(
        dsn=dsn, redis_url=redis_url, database=database, directory=tmp_path, engine=engine.environ
    )
    try:
        yield made
    finally:
        made.stop()
