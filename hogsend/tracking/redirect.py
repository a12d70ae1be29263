"""The ``Location`` of a redirect: a stored URL made fit for a header, with parameters added."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

# Everything printable in ASCII stays as it was written; the rest is percent-encoded UTF-8.
_KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>\\^`{|}')

_CLEAN = re.compile(f"[{re.escape(_KEPT)}]+")


def to_location(url: str, parameters: dict[str, str] | None = None) -> str:
    """ASCII without blanks or control characters; international host names become punycode.

    ``parameters`` are added to the query; the fragment stays last.
    """
    if not parameters and _CLEAN.fullmatch(url):
        return url
    parts = urlsplit(url)
    query = quote(parts.query, safe=_KEPT)
    for name, value in (parameters or {}).items():
        query = f"{query}&{name}={quote(value, safe='')}" if query else f"{name}={quote(value)}"
    return urlunsplit(
        (
            parts.scheme,
            _host(parts.netloc),
            quote(parts.path, safe=_KEPT),
            query,
            quote(parts.fragment, safe=_KEPT),
        )
    )


def _host(netloc: str) -> str:
    if netloc.isascii():
        return quote(netloc, safe=_KEPT)
    user, at, rest = netloc.rpartition("@")
    host, colon, port = (
        rest.rpartition(":") if rest.rpartition(":")[2].isdigit() else (rest, "", "")
    )
    try:
        host = host.encode("idna").decode()
    except UnicodeError:
        host = quote(host, safe=_KEPT)
    return f"{quote(user, safe=_KEPT)}{at}{host}{colon}{port}"
