from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from hogsend.access.api_keys import create_api_key
from hogsend.client import Hogsend
from hogsend.container.api import ApiContainer
from hogsend.web.server import HttpServer, ServerOptions
from tests.contract.openapi.conftest import build, serve


@pytest.fixture
def container(dsn: str, redis_url: str) -> Iterator[ApiContainer]:
    built = build(dsn, redis_url)
    yield built
    built.close()


@pytest.fixture
def base_url(container: ApiContainer) -> Iterator[str]:
    """The whole api on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = HttpServer(serve(container), [sock], options=ServerOptions())
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.stop()
            thread.join()


@pytest.fixture
def client(base_url: str, container: ApiContainer) -> Iterator[Hogsend]:
    _, key = create_api_key(container.db, name="client", scopes=["ingest"])
    with Hogsend(base_url, key) as opened:
        yield opened
