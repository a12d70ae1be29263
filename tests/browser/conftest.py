"""Headless Chromium on a running api and worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from hogsend.access.admins import create_admin
from hogsend.db import Database
from tests.acceptance.instance import Instance
from tests.deploy.tools import require_tool

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"


def find_chromium() -> str:
    """The browser to use; ``HOGSEND_TEST_CHROMIUM`` names another. CI fails without one."""
    given = os.environ.get("HOGSEND_TEST_CHROMIUM")
    others = filter(None, map(shutil.which, ("chromium-browser", "google-chrome")))
    return (
        given
        or next(others, None)
        or require_tool("chromium", install="Debian: apt-get install chromium")
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the module."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


@pytest.fixture
def installation(
    dsn: str, redis_url: str, database: Database, tmp_path: Path
) -> Iterator[Instance]:
    """An api and a worker on the embedded engine."""
    made = Instance(
        dsn=dsn,
        redis_url=redis_url,
        database=database,
        directory=tmp_path,
        engine={"HOGSEND_ORCHESTRATOR": "local"},
    )
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def studio(installation: Instance) -> Instance:
    """The installation with an administrator, ready to be visited."""
    create_admin(installation.database, email=EMAIL, password=PASSWORD, name="Ada")
    installation.start_api()
    installation.start_worker()
    return installation


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab that fails the test for anything the console complains of."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []
