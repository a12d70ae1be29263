"""Tells requests of programs from requests of people, as far as headers can.

Programs fetch the links of a mail before, or instead of, its reader: link previews, security
scanners, prefetching browsers and image proxies. Their requests are answered like any other but
change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Machine = Literal["bot", "prefetch", "library", "scanner", "anonymous", "apple_mpp"]

# Link previews and crawlers (the first fourteen are the reference's list).
_BOTS = (
    "discordbot", "slackbot", "slack-imgproxy", "twitterbot", "telegrambot",
    "facebookexternalhit", "whatsapp", "linkedinbot", "skypeuripreview", "googlebot",
    "googleimageproxy", "feedfetcher", "bingbot", "redditbot", "applebot", "yandexbot",
    "duckduckbot", "baiduspider", "petalbot", "ahrefsbot", "semrushbot", "mastodon",
    "bluesky cardyb", "embedly", "iframely", "bingpreview", "google-read-aloud",
)  # fmt: skip
# Mail security products that name themselves.
_SCANNERS = (
    "barracuda", "mimecast", "proofpoint", "symantec", "messagelabs", "trendmicro", "sophos",
    "cloudmark", "fireeye", "safelinks", "urlscan", "virustotal", "phishtank", "cisco-ironport",
    "zscaler", "forcepoint", "mailguard", "checkpoint", "bitdefender", "kaspersky", "vadesecure",
)  # fmt: skip
# HTTP libraries and browsers without a window: nobody reads mail with them.
_LIBRARIES = (
    "curl/", "wget/", "python-requests", "python-urllib", "python-httpx", "aiohttp", "go-http",
    "okhttp", "apache-httpclient", "java/", "libwww-perl", "node-fetch", "axios/", "undici",
    "guzzlehttp", "ruby", "scrapy", "headlesschrome", "phantomjs", "puppeteer", "playwright",
    "selenium",
)  # fmt: skip
# They fetch an image when the reader opens the mail, so for opens they stand for a person.
_OPENING_PROXIES = ("googleimageproxy", "yahoomailproxy")
# The agent with which Apple Mail Privacy Protection loads all images of every mail, read or not,
# and the one with which Gmail prefetches (both observed by mail vendors since 2021 and 2024).
_APPLE_MPP = "mozilla/5.0"
_GMAIL_PREFETCH = "chrome/42.0.2311.135 safari/537.36 edge/12.246 mozilla/5.0"


def classify_click(method: str, headers: Mapping[str, str]) -> Machine | None:
    """Why this request cannot be a person who clicks, None when it may be one.

    ``headers`` are keyed by lower-case name.
    """
    return _by_headers(method, headers) or _by_agent(_agent(headers))


def classify_open(method: str, headers: Mapping[str, str]) -> Machine | None:
    """Why this request cannot be a person who opens the mail, None when it may be one."""
    agent = _agent(headers)
    if agent == _APPLE_MPP:
        return "apple_mpp"
    found = _by_headers(method, headers)
    if found is None and any(name in agent for name in _OPENING_PROXIES):
        return None
    return found or _by_agent(agent)


def _by_headers(method: str, headers: Mapping[str, str]) -> Machine | None:
    if method != "GET":
        return "scanner"
    purposes = (headers.get("purpose", "").lower(), headers.get("x-purpose", "").lower())
    sec_purpose = headers.get("sec-purpose", "").lower()
    if (
        any(purpose in ("prefetch", "preview") for purpose in purposes)
        or "x-moz" in headers
        or "prefetch" in sec_purpose
        or "prerender" in sec_purpose
    ):
        return "prefetch"
    return None


def _by_agent(agent: str) -> Machine | None:
    if not agent:
        return "anonymous"
    if _GMAIL_PREFETCH in agent:
        return "prefetch"
    if any(name in agent for name in _BOTS):
        return "bot"
    if any(name in agent for name in _SCANNERS):
        return "scanner"
    if any(name in agent for name in _LIBRARIES):
        return "library"
    return None


def _agent(headers: Mapping[str, str]) -> str:
    return headers.get("user-agent", "").strip().lower()
