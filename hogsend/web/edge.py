"""What every answer gets, whatever happened inside: ids, security headers, CORS, access log."""

from __future__ import annotations

import os
import re
import time
from typing import Any, Protocol

import structlog

from hogsend.web.compression import compress
from hogsend.web.http import Request, Response

SECURITY_HEADERS: dict[str, str] = {
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "origin-agent-cluster": "?1",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=15552000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "x-download-options": "noopen",
    "x-frame-options": "SAMEORIGIN",
    "x-permitted-cross-domain-policies": "none",
    "x-xss-protection": "0",
}
_NEGOTIABLE = ("cross-origin-resource-policy", "referrer-policy")
_METHODS = "GET,HEAD,PUT,POST,DELETE,PATCH"
# Browsers may read these from our answers; without it retry logic in pages is blind.
_EXPOSED = (
    "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, Retry-After, "
    "Idempotency-Replayed, X-Error-Code, X-Error-Hint"
)
_PREFLIGHT_SECONDS = "600"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_SILENT = "/v1/health"

ACCESS_LOG_EVENT = "request"


class RequestObserver(Protocol):
    """Told about every answer except preflights, for metrics."""

    def __call__(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the template of the path."""
        ...


class RequestTracer(Protocol):
    """Makes a span of every request except preflights."""

    def begin_request(self, method: str, traceparent: str | None) -> Any:
        """Begin; answers what ``end_request`` wants back."""
        ...

    def end_request(self, begun: Any, *, route: str, status: int, request_id: str) -> None:
        """End it; ``route`` is the template of the path."""
        ...


class Edge:
    """Falcon middleware: the outermost layer, seen by errors and unknown paths too.

    A route may set ``Cross-Origin-Resource-Policy`` itself (tracking pixel, browser bundle) and
    ``Referrer-Policy`` (pages whose forms must show their origin); the other security headers are
    not negotiable.
    """

    def __init__(
        self,
        *,
        is_access_logged: bool,
        observe: RequestObserver | None = None,
        tracer: RequestTracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._is_access_logged = is_access_logged
        self._observe = observe
        self._is_timed = is_access_logged or observe is not None

    def process_request(self, req: Request, resp: Response) -> None:
        """Name the request; answer preflights before any guard."""
        given = req.env.get("HTTP_X_REQUEST_ID")
        if given is not None and _REQUEST_ID.fullmatch(given) is not None:
            req.request_id = given
        else:
            req.request_id = _new_request_id()
        structlog.contextvars.bind_contextvars(request_id=req.request_id)
        if self._is_timed:
            req.context.started = time.perf_counter()
        if req.method == "OPTIONS":
            _preflight(req, resp)
        elif self._tracer is not None:
            req.context.span = self._tracer.begin_request(
                req.method, req.env.get("HTTP_TRACEPARENT")
            )

    def process_response(
        self, req: Request, resp: Response, resource: object, req_succeeded: bool
    ) -> None:
        """Add the headers every answer has, compress, log."""
        headers = resp._headers
        own = [(name, headers[name]) for name in _NEGOTIABLE if name in headers]
        headers.update(SECURITY_HEADERS)
        headers.update(own)
        origin = req.env.get("HTTP_ORIGIN")
        if origin is not None:
            headers["access-control-allow-origin"] = origin
            resp.append_header("vary", "Origin")
        if req.method == "OPTIONS":
            return
        headers["x-request-id"] = req.request_id
        allowance = req.allowance
        if allowance is not None:
            headers["x-ratelimit-limit"] = str(allowance.limit)
            headers["x-ratelimit-remaining"] = str(allowance.remaining)
        if origin is not None:
            headers["access-control-expose-headers"] = _EXPOSED
        encodings = req.env.get("HTTP_ACCEPT_ENCODING")
        if encodings is not None:
            compress(req, resp, encodings)
        if self._tracer is not None:
            self._tracer.end_request(
                req.context.span,
                route=req.uri_template or "(unknown)",
                status=resp.status_code,
                request_id=req.request_id,
            )
        if self._observe is not None:
            # The template, never the path: paths are unbounded.
            self._observe(
                method=req.method,
                route=req.uri_template or "(unknown)",
                status=resp.status_code,
                seconds=time.perf_counter() - req.context.started,
            )
        if self._is_access_logged and not req.path.startswith(_SILENT):
            _log_access(req, resp)


def _new_request_id() -> str:
    """A random UUID (version 4) as text, without building the object."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _preflight(req: Request, resp: Response) -> None:
    resp.status = 204
    resp.complete = True
    resp.set_header("Access-Control-Allow-Methods", _METHODS)
    resp.set_header("Access-Control-Max-Age", _PREFLIGHT_SECONDS)
    wanted = req.env.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS")
    if wanted is not None:
        resp.set_header("Access-Control-Allow-Headers", wanted)
        resp.append_header("Vary", "Access-Control-Request-Headers")


def _log_access(req: Request, resp: Response) -> None:
    structlog.get_logger().info(
        ACCESS_LOG_EVENT,
        method=req.method,
        path=req.path,
        status=resp.status_code,
        duration=round((time.perf_counter() - req.context.started) * 1000, 1),
        requestId=req.request_id,
    )
