"""The public pages on a small phone, with the keyboard alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from hogsend.kernel.tokens import TokenSigner, UnsubscribeAction, UnsubscribeClaims
from hogsend.preferences.unsubscribe import LINK_LIFE
from tests.acceptance.instance import Instance

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LONG = "a.very.long.address.that.does.not.fit.on.one.line.of.a.phone@people.example.org"


@pytest.fixture
def site(installation: Instance) -> Instance:
    """An api; these pages need nothing else."""
    installation.start_api()
    return installation


@pytest.fixture(params=["en", "de", "es", "fr"])
def phone(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A tab 360 pixels wide that fails the test for anything the console complains of."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, locale=request.param, java_script_enabled=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    # The browser asks for an icon by itself; there is none.
    assert [text for text in complaints if "404" not in text] == []


def _url(site: Instance, page: str, action: UnsubscribeAction) -> str:
    claims = UnsubscribeClaims(external_id="u", email=LONG, action=action, category="journey")
    signer = TokenSigner(site.environ["BETTER_AUTH_SECRET"])
    token = signer.mint_unsubscribe_token(claims, now=datetime.now(UTC), life=LINK_LIFE)
    return f"http://127.0.0.1:{site.port}/v1/email/{page}?token={token}"


def _looks_right(page: Page, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("HOGSEND_TEST_SCREENSHOTS") or tmp_path)
    page.screenshot(path=str(folder / f"{name}.png"), full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    small = page.evaluate(
        "[...document.querySelectorAll('button')]"
        ".filter(b => b.getBoundingClientRect().height < 44).length"
    )
    nameless = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), textarea')]"
        ".filter(i => !i.labels.length).length"
    )
    styled = page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")
    assert (width, small, nameless) == (360, 0, 0)
    assert styled != "none"  # the policy let the style through


def test_pages_fit_a_phone_and_work_with_the_keyboard(
    site: Instance, phone: Page, tmp_path: Path
) -> None:
    phone.goto(_url(site, "unsubscribe", "unsubscribe"))
    _looks_right(phone, "leave-360", tmp_path)
    phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("status")).to_be_visible()
    _looks_right(phone, "left-360", tmp_path)

    phone.goto(_url(site, "preferences", "manage"))
    _looks_right(phone, "choices-360", tmp_path)
    journey = phone.locator("#list-journey")
    expect(journey).not_to_be_checked()
    journey.focus()
    phone.keyboard.press("Space")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("status")).to_be_visible()
    expect(phone.locator("#list-journey")).to_be_checked()
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
