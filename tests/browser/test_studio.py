"""Studio as an operator uses it: sign in, look at a mail, change the password."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.instance import Instance
from tests.browser.conftest import EMAIL, PASSWORD
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def _home(installation: Instance) -> str:
    return f"http://127.0.0.1:{installation.port}/studio/"


def _sign_in(page: Page, installation: Instance, password: str = PASSWORD) -> None:
    page.goto(_home(installation))
    page.get_by_label("Mail address").fill(EMAIL)
    page.get_by_label("Password").fill(password)
    page.get_by_test_id("sign-in").click()


def _picture(page: Page, name: str, tmp_path: Path) -> None:
    """A screenshot; kept where HOGSEND_TEST_SCREENSHOTS says, to be looked at."""
    folder = Path(os.environ.get("HOGSEND_TEST_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"), full_page=True)


def test_event_becomes_a_mail_that_opens_in_studio(
    studio: Instance, page: Page, tmp_path: Path
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    _sign_in(page, studio)
    expect(page.get_by_role("heading", name="Status")).to_be_visible()
    expect(page.get_by_test_id("status")).to_contain_text("No mail yet")

    studio.send("mail.wanted", "grace")

    # The page refreshes itself.
    link = page.get_by_role("link", name="Note: straight")
    expect(link).to_be_visible(timeout=15_000)
    expect(page.get_by_test_id("status")).to_contain_text("Everything runs.")
    _picture(page, "status-1280", tmp_path)
    link.click()
    frame = page.frame_locator("[data-testid=mail-frame]")
    expect(frame.locator("body")).to_contain_text("straight")
    _picture(page, "mail-1280", tmp_path)
    assert {urlsplit(url).netloc for url in requested} == {f"127.0.0.1:{studio.port}"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone(studio: Instance, page: Page, tmp_path: Path, scheme: str) -> None:
    studio.send("mail.wanted", "grace")
    wait_until(lambda: len(studio.mails()) == 1, seconds=15, what="the mail is there")
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(_home(studio))
    _picture(page, f"sign-in-360-{scheme}", tmp_path)
    _sign_in(page, studio)

    for name in ("", "mails", "account"):
        page.goto(_home(studio) + name)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"/studio/{name} is {width} px wide"
        _picture(page, f"{name or 'status'}-360-{scheme}", tmp_path)
    page.get_by_role("link", name="Mails").click()
    page.get_by_role("link", name=re.compile("Note")).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    _picture(page, f"mail-360-{scheme}", tmp_path)


def test_studio_works_with_the_keyboard_alone(studio: Instance, page: Page) -> None:
    page.goto(_home(studio))
    page.keyboard.type(EMAIL)  # the first field has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Status")).to_be_visible()

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Status", "Mails", "Account", "Sign out"} <= reached


def test_password_changed_on_the_account_page_is_the_new_one(studio: Instance, page: Page) -> None:
    _sign_in(page, studio)
    page.get_by_role("link", name="Account").click()
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("another password")
    page.get_by_test_id("change-password").click()
    expect(page.get_by_role("status")).to_contain_text("is changed")

    page.get_by_test_id("sign-out").click()
    _sign_in(page, studio, "another password")

    expect(page.get_by_role("heading", name="Status")).to_be_visible()


def test_first_run_shows_how_to_make_an_administrator_and_offers_no_form(
    installation: Instance, page: Page
) -> None:
    installation.start_api()

    page.goto(_home(installation))

    expect(page.get_by_role("heading", name="First administrator")).to_be_visible()
    expect(page.get_by_text("studio admin create")).to_be_visible()
    assert page.locator("input").count() == 0


def test_session_that_ended_leads_back_to_the_sign_in_page(studio: Instance, page: Page) -> None:
    _sign_in(page, studio)
    page.context.clear_cookies()

    page.goto(_home(studio) + "mails")

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("Mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_role("heading", name="Mails")).to_be_visible()
