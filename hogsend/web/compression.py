"""gzip and deflate for answers that are worth it."""

from __future__ import annotations

import gzip
import re
import zlib

from hogsend.web.http import Request, Response

_MIN_BYTES = 1024
_COMPRESSIBLE = re.compile(
    r"text/(?!event-stream)|application/(?:json|javascript|xml|[\w.-]+\+(?:json|xml))|image/svg"
)
_LEVEL = 5


def compress(req: Request, resp: Response, accepted: str) -> None:
    """Replace ``resp.data`` by its compressed form when the client takes it and it pays.

    Only complete bodies of at least 1024 bytes; never HEAD, streams or ``no-transform``.
    """
    data = resp.data
    if data is None or len(data) < _MIN_BYTES or req.method == "HEAD":
        return
    headers = resp._headers
    if "content-encoding" in headers or "no-transform" in headers.get("cache-control", ""):
        return
    if _COMPRESSIBLE.match(headers.get("content-type", "")) is None:
        return
    resp.append_header("vary", "Accept-Encoding")
    encoding = _choose(accepted)
    if encoding is None:
        return
    resp.data = (
        gzip.compress(data, _LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(data, _LEVEL)
    )
    headers["content-encoding"] = encoding
    etag = headers.get("etag")
    if etag is not None and not etag.startswith("W/"):
        headers["etag"] = f"W/{etag}"


def _choose(accepted: str) -> str | None:
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        try:
            weights[name.strip()] = float(parameter.partition("=")[2]) if parameter else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    for encoding in ("gzip", "deflate"):
        if weights.get(encoding, weights.get("*", 0.0)) > 0:
            return encoding
    return None
