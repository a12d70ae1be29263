"""Every error Hogsend raises on purpose.

One root carries a stable code, a message for people, a hint that names the fix, and
context for logs. HTTP status is chosen in ``web/errors.py`` only.
"""

from __future__ import annotations

from collections.abc import Mapping


class HogsendError(Exception):
    """Root of all deliberate errors.

    ``code`` is stable snake_case, ``message`` one sentence, ``hint`` names the fix,
    ``context`` holds values for logs (never secrets).
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        context: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.message = message
        self.hint = hint
        self.context: Mapping[str, object] = dict(context or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(HogsendError):
    """The environment, a file or the content package is wrong; the process must not start."""

    default_code = "config_error"


class InvalidInput(HogsendError):
    """The caller sent something that can never work."""

    default_code = "invalid_input"


class NotFound(HogsendError):
    """The named thing does not exist."""

    default_code = "not_found"


class Conflict(HogsendError):
    """The request contradicts the present state."""

    default_code = "conflict"


class NotAllowed(HogsendError):
    """The caller is known but may not do this."""

    default_code = "not_allowed"


class RateLimited(HogsendError):
    """Too many requests; ``retry_after_seconds`` says when the next one can pass."""

    default_code = "rate_limited"

    def __init__(
        self, message: str, *, retry_after_seconds: float, code: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class ProviderError(HogsendError):
    """A mail provider did not accept a message.

    ``status`` and ``request_id`` are the vendor's, None when no answer came.
    """

    default_code = "provider_error"
    is_retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        context: Mapping[str, object] | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, context=context)
        self.status = status
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


class ProviderTransient(ProviderError):
    """The provider refused for now (429, 5xx, refused connection): nothing was accepted."""

    default_code = "provider_transient"
    is_retryable = True


class ProviderUnknown(ProviderError):
    """The answer was lost after the message was handed over: it may have been accepted."""

    default_code = "provider_unknown"
    is_retryable = True


class ProviderRejected(ProviderError):
    """The provider refuses this message for good (bad address, bad payload)."""

    default_code = "provider_rejected"


class ProviderPermanent(ProviderError):
    """The provider refuses everything from us until somebody acts (bad key, unverified domain)."""

    default_code = "provider_permanent"
