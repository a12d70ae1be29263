from __future__ import annotations

import pytest

from hogsend.kernel.networks import truncate_ip
from hogsend.tracking.machines import classify_click, classify_open

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize("agent", [FIREFOX, IPHONE])
def test_classify_reader_is_nobody_else(agent: str) -> None:
    assert classify_click("GET", {"user-agent": agent}) is None
    assert classify_open("GET", {"user-agent": agent}) is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"user-agent": "Slack-ImgProxy (+https://api.slack.com/robots)"}, "bot"),
        ({"user-agent": "WhatsApp/2.23.20.0"}, "bot"),
        ({"user-agent": FIREFOX, "purpose": "Prefetch"}, "prefetch"),
        ({"user-agent": FIREFOX, "x-purpose": "preview"}, "prefetch"),
        ({"user-agent": FIREFOX, "sec-purpose": "prefetch;anonymous-client-ip"}, "prefetch"),
        ({"user-agent": FIREFOX, "x-moz": ""}, "prefetch"),
        ({"user-agent": "curl/8.0"}, "library"),
        ({"user-agent": "Proofpoint URL Defense"}, "scanner"),
        ({}, "anonymous"),
        ({"user-agent": "  "}, "anonymous"),
    ],
)
def test_classify_program_is_named(headers: dict[str, str], reason: str) -> None:
    assert classify_click("GET", headers) == reason
    assert classify_open("GET", headers) == reason


def test_classify_other_methods_are_scanners() -> None:
    assert classify_click("HEAD", {"user-agent": FIREFOX}) == "scanner"
    assert classify_open("HEAD", {"user-agent": FIREFOX}) == "scanner"


def test_classify_open_knows_who_loads_images_unread() -> None:
    gmail = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
    )

    assert classify_open("GET", {"user-agent": "Mozilla/5.0"}) == "apple_mpp"
    assert classify_open("GET", {"user-agent": gmail}) == "prefetch"
    assert classify_open("GET", {"user-agent": "x (via ggpht.com GoogleImageProxy)"}) is None
    assert classify_open("GET", {"user-agent": "YahooMailProxy; https://help.yahoo.com"}) is None
    assert classify_click("GET", {"user-agent": "x GoogleImageProxy"}) == "bot"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("unknown", "unknown"),
    ],
)
def test_truncate_ip_keeps_the_network(address: str, kept: str) -> None:
    assert truncate_ip(address) == kept
