"""The only place that turns errors into HTTP answers.

Envelopes: ``{"error": "<text>"}`` for everything, except schema validation, which answers
``{"success": false, "error": {"name": "ZodError", "message": "<JSON array of issues>"}}``.
"""

from __future__ import annotations

import math
from typing import Any

import falcon
import structlog
from pydantic import ValidationError

from hogsend.db.errors import DatabaseUnavailable, StatementTimeout
from hogsend.errors import (
    Conflict,
    HogsendError,
    InvalidInput,
    NotAllowed,
    NotFound,
    ProviderError,
    RateLimited,
)
from hogsend.kernel.wire_json import dumps
from hogsend.web.http import Request, Response

INTERNAL = "Internal Server Error"
UNAVAILABLE = "Service temporarily unavailable"

_BY_CODE = {"unauthorized": 401, "payload_too_large": 413, "ingest_suspended": 429}
_BY_FAMILY: tuple[tuple[type[HogsendError], int], ...] = (
    (InvalidInput, 400),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (RateLimited, 429),
    (DatabaseUnavailable, 503),
    (StatementTimeout, 503),
    (ProviderError, 502),
)


def status_of(error: HogsendError) -> int:
    """The HTTP status of a deliberate error; 500 for families callers cannot act on."""
    by_code = _BY_CODE.get(error.code)
    if by_code is not None:
        return by_code
    return next((status for family, status in _BY_FAMILY if isinstance(error, family)), 500)


def handle(req: Request, resp: Response, error: Exception, params: dict[str, Any]) -> None:
    """Falcon error handler for every exception; never raises, never leaks internals."""
    if isinstance(error, ValidationError):
        resp.json(validation_envelope(error), 400)
    elif isinstance(error, HogsendError):
        _answer_deliberate(req, resp, error)
    elif isinstance(error, falcon.HTTPError) and error.status_code < 500:
        resp.json({"error": error.description or error.title}, error.status_code)
    else:
        _answer_unexpected(req, resp, error)


def _answer_deliberate(req: Request, resp: Response, error: HogsendError) -> None:
    status = status_of(error)
    if status == 500:
        _answer_unexpected(req, resp, error)
    elif status == 503:
        _log(req, "request.unavailable", error)
        resp.set_header("Retry-After", "1")
        resp.json({"error": UNAVAILABLE}, status)
    elif error.code == "ingest_suspended":
        resp.json({"error": error.code, "message": error.message}, status)
    else:
        # The envelope is fixed by the contract, so what programs act on travels as headers.
        resp.set_header("X-Error-Code", error.code)
        if error.hint is not None:
            resp.set_header("X-Error-Hint", _header_text(error.hint))
        if isinstance(error, RateLimited):
            resp.set_header("Retry-After", str(max(1, math.ceil(error.retry_after_seconds))))
        resp.json({"error": error.message}, status)


def _header_text(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode().split())


def _answer_unexpected(req: Request, resp: Response, error: Exception) -> None:
    structlog.get_logger().error(
        "request.failed",
        exc_info=error,
        request_id=req.request_id,
        method=req.method,
        path=req.path,
    )
    resp.json({"error": INTERNAL}, 500)


def _log(req: Request, event: str, error: HogsendError) -> None:
    hint = {} if error.hint is None else {"hint": error.hint}
    structlog.get_logger().warning(
        event,
        error=error.message,
        code=error.code,
        request_id=req.request_id,
        path=req.path,
        **hint,
    )


def validation_envelope(error: ValidationError) -> dict[str, Any]:
    """The reference's validation answer: ``error.message`` is a JSON string of issues."""
    return {"success": False, "error": {"name": "ZodError", "message": issues_json(error)}}


def issues_json(error: ValidationError) -> str:
    """``[{"code", "path", "message", …}]`` as JSON text; inputs are never echoed."""
    return dumps(
        [_issue(detail) for detail in error.errors(include_url=False, include_input=False)]
    )


_EXPECTED = {
    "string_type": "string",
    "float_type": "number",
    "int_type": "number",
    "bool_type": "boolean",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "list_type": "array",
}


def _issue(detail: Any) -> dict[str, object]:
    kind: str = detail["type"]
    context: dict[str, Any] = detail.get("ctx") or {}
    issue: dict[str, object] = {"path": list(detail["loc"])}
    if kind in _EXPECTED or kind == "missing":
        issue |= {"code": "invalid_type", "expected": _EXPECTED.get(kind, "nonoptional")}
    elif kind in ("string_too_short", "too_short", "greater_than", "greater_than_equal"):
        minimum = context.get("min_length", context.get("ge", context.get("gt")))
        issue |= {"code": "too_small", "minimum": minimum}
    elif kind in ("string_too_long", "too_long", "less_than", "less_than_equal"):
        maximum = context.get("max_length", context.get("le", context.get("lt")))
        issue |= {"code": "too_big", "maximum": maximum}
    elif kind in ("string_pattern_mismatch", "email", "datetime", "url"):
        issue |= {"code": "invalid_format", "format": "regex" if "pattern" in kind else kind}
    elif kind in ("literal_error", "enum"):
        issue |= {"code": "invalid_value"}
    else:
        issue |= {"code": "custom"}
    return issue | {"message": detail["msg"]}
