"""Pictures of a mail, made by a Chromium that happens to be installed."""

from __future__ import annotations

import shutil
import subprocess  # a browser is a program
import tempfile
from pathlib import Path

from hogsend.errors import HogsendError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
_SECONDS = 30
WIDTHS = (360, 1280)


class NoBrowser(HogsendError):
    """No Chromium is installed here, or it does not work."""

    default_code = "no_browser"


def find_browser() -> str | None:
    """Path of a Chromium, None when there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def take_screenshot(
    html: Path, target: Path, *, width: int, height: int = 1400, dark: bool = False
) -> None:
    """A PNG of a local HTML file; raises NoBrowser."""
    browser = find_browser()
    if browser is None:
        raise NoBrowser("no Chromium is installed", hint="install chromium, or leave out --png")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
            f"--screenshot={target}",
            html.resolve().as_uri(),
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoBrowser(f"{Path(browser).name} could not take a picture: {error}") from error
    if not target.exists():
        raise NoBrowser(f"{Path(browser).name} wrote no picture")
