"""Where requests that carry a cookie may come from (cross-site request forgery)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from hogsend.errors import NotAllowed
from hogsend.web.http import Request

_DEFAULT_PORTS = {"http": 80, "https": 443}


class TrustedOrigins:
    """Exact origins (scheme, host, port); ``*`` in a configured value stands for one label part."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._patterns: list[re.Pattern[str]] = []
        for url in urls:
            if "*" in url:
                pattern = re.escape(url.rstrip("/")).replace(r"\*", r"[A-Za-z0-9-]+")
                self._patterns.append(re.compile(pattern))
            elif (origin := origin_of(url)) is not None:
                self._exact.add(origin)

    def trusts(self, url: str) -> bool:
        """True when the URL's origin is one of ours."""
        origin = origin_of(url)
        if origin is None:
            return False
        return origin in self._exact or any(p.fullmatch(origin) for p in self._patterns)

    def check(self, req: Request) -> None:
        """Raise NotAllowed unless the request says that a page of ours made it.

        ``Sec-Fetch-Site: same-origin`` is the browser's own word (pages cannot set it) and holds
        under any name of this host. Otherwise ``Origin`` decides, and without one the ``Referer``.
        A request that says nothing is refused.
        """
        if req.env.get("HTTP_SEC_FETCH_SITE") == "same-origin":
            return
        origin = req.env.get("HTTP_ORIGIN")
        if origin and origin != "null":
            if not self.trusts(origin):
                raise NotAllowed(
                    "Invalid origin",
                    code="INVALID_ORIGIN",
                    hint="set BETTER_AUTH_URL to the address in the browser, or add its origin to "
                    "BETTER_AUTH_TRUSTED_ORIGINS",
                )
            return
        referer = req.env.get("HTTP_REFERER")
        if not origin and referer and self.trusts(referer):
            return
        raise NotAllowed("Missing or null Origin", code="MISSING_OR_NULL_ORIGIN")

    def check_sign_in(self, req: Request) -> None:
        """The rule for signing in without a cookie: browsers must come from us, programs may.

        Programs send neither Fetch Metadata nor an origin.
        """
        site = req.env.get("HTTP_SEC_FETCH_SITE")
        if site == "cross-site" and req.env.get("HTTP_SEC_FETCH_MODE") == "navigate":
            raise NotAllowed(
                "Cross-site navigation login blocked", code="CROSS_SITE_NAVIGATION_LOGIN_BLOCKED"
            )
        if site is not None or req.env.get("HTTP_ORIGIN"):
            self.check(req)


def origin_of(url: str) -> str | None:
    """``scheme://host[:port]`` of an absolute URL, default ports left out; None otherwise."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    suffix = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"
