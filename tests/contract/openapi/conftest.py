from __future__ import annotations

from collections.abc import Iterator

import falcon
import pytest

from hogsend import settings as environment
from hogsend.access.api_keys import create_api_key
from hogsend.container.api import ApiContainer, build_api
from hogsend.web.app import WebOptions, build_app
from hogsend.web.http import Request, Response


def build(dsn: str, redis_url: str, **more: str) -> ApiContainer:
    """The api as it is served, every slice included."""
    variables = {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_url,
        "BETTER_AUTH_SECRET": "x" * 32,
        "HOGSEND_ORCHESTRATOR": "local",
        "NODE_ENV": "test",
        "ADMIN_API_KEY": "master-" + "k" * 32,
        **more,
    }
    return build_api(environment.load(variables, mode="api"))


def serve(container: ApiContainer) -> falcon.App[Request, Response]:
    """As api mode does it."""
    return build_app(
        container.routes,
        options=WebOptions(max_body_bytes=container.settings.body_limit_bytes),
        prefix_guards=container.prefix_guards,
    )


@pytest.fixture
def container(dsn: str, redis_url: str) -> Iterator[ApiContainer]:
    built = build(dsn, redis_url)
    yield built
    built.close()


@pytest.fixture
def admin_key(container: ApiContainer) -> str:
    _, key = create_api_key(container.db, name="all", scopes=["full-admin"])
    return key
