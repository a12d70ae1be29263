"""What a server can refuse, one class for each kind of reaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class HogsendClientError(Exception):
    """Root of everything the client raises.

    ``status`` is the HTTP status (0 when no answer came), ``code`` a stable word for programs,
    ``hint`` what to do about it, ``body`` the decoded answer, ``request_id`` what the server's
    log has.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str | None = None,
        hint: str | None = None,
        body: Any = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.hint = hint
        self.body = body
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"{self.status}: " if self.status else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"


class Unreachable(HogsendClientError):
    """No answer came: refused, lost or timed out, after every retry."""


class BadRequest(HogsendClientError):
    """The request can never work; ``issues`` lists what does not fit its schema."""

    issues: list[dict[str, Any]]

    def __init__(self, message: str, *, issues: list[dict[str, Any]], **more: Any) -> None:
        super().__init__(message, **more)
        self.issues = issues


class Unauthorized(HogsendClientError):
    """The key is missing, unknown, revoked or expired."""


class Forbidden(HogsendClientError):
    """The key may not do this."""


class NotFound(HogsendClientError):
    """There is no such thing."""


class Conflict(HogsendClientError):
    """The idempotency key was used for another request, or the state forbids it."""


class RateLimited(HogsendClientError):
    """Too many calls; ``retry_after_seconds`` says when the next one can pass."""

    def __init__(self, message: str, *, retry_after_seconds: float, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after_seconds = retry_after_seconds


class ServerFailed(HogsendClientError):
    """The server could not do it now, after every retry."""


_BY_STATUS: Mapping[int, type[HogsendClientError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
}


def error_of(status: int, headers: Mapping[str, str], body: Any) -> HogsendClientError:
    """The error an answer of 400 or above means; ``headers`` have lower-case names."""
    message, issues = _explain(body, status)
    more: dict[str, Any] = {
        "status": status,
        "code": headers.get("x-error-code"),
        "hint": headers.get("x-error-hint"),
        "body": body,
        "request_id": headers.get("x-request-id"),
    }
    if status == 429:
        wait = retry_after_of(headers)
        return RateLimited(message, retry_after_seconds=60.0 if wait is None else wait, **more)
    if status in _BY_STATUS:
        return _BY_STATUS[status](message, **more)
    if status >= 500:
        return ServerFailed(message, **more)
    return BadRequest(message, issues=issues, **more)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds; None when absent or a date."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _explain(body: Any, status: int) -> tuple[str, list[dict[str, Any]]]:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        detail = body.get("message")
        return (f"{error}: {detail}" if isinstance(detail, str) else error), []
    if isinstance(error, dict):
        issues = _issues(error.get("message"))
        return f"validation failed: {_first(issues)}" if issues else "validation failed", issues
    return f"the server answered {status}", []


def _issues(text: object) -> list[dict[str, Any]]:
    try:
        found = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return []
    return [issue for issue in found if isinstance(issue, dict)] if isinstance(found, list) else []


def _first(issues: list[dict[str, Any]]) -> str:
    path = ".".join(str(part) for part in issues[0].get("path") or [])
    return f"{path or 'body'}: {issues[0].get('message', '')}"
