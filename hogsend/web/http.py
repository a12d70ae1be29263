"""Request and response as handlers see them: falcon's, plus what every handler needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import falcon
from pydantic import BaseModel

from hogsend.kernel.wire_json import dump_bytes
from hogsend.web.body import parse_model, parse_query, read_body
from hogsend.web.proxies import TrustedProxies

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller may still do: answered as ``X-RateLimit-Limit`` and ``-Remaining``."""

    limit: int
    remaining: int


class Request(falcon.Request):
    """A request with its identity.

    ``principal`` is what the guard found out (None on open routes), ``request_id`` is echoed
    as ``X-Request-Id`` and bound to every log line. ``allowance`` is set where calls are counted.
    """

    __slots__ = ("_body", "allowance", "principal", "request_id")

    max_body_bytes = 1024 * 1024
    proxies = TrustedProxies(())

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        super().__init__(env, options=options)
        self.principal: Any = None
        self.request_id = ""
        self.allowance: Allowance | None = None
        self._body: bytes | None = None

    def body(self) -> bytes:
        """The whole body; raises InvalidInput ``payload_too_large`` (413) above the limit."""
        if self._body is None:
            self._body = read_body(self.env, limit=self.max_body_bytes)
        return self._body

    def json_model(self, model: type[ModelT]) -> ModelT:
        """The JSON body as ``model``.

        Raises InvalidInput (400) for another content type or malformed JSON, and pydantic's
        ValidationError, which becomes the validation envelope.
        """
        return parse_model(model, self.body(), content_type=self.content_type)

    def query_model(self, model: type[ModelT]) -> ModelT:
        """The query string as ``model`` (values are strings; a repeated key keeps the last)."""
        return parse_query(model, self.params)

    @property
    def client_ip(self) -> str:
        """Who is calling: the socket's address, or the hop before the trusted proxies."""
        forwarded = self.env.get("HTTP_X_FORWARDED_FOR")
        return self.proxies.client_of(self.env.get("REMOTE_ADDR") or "unknown", forwarded)


class Response(falcon.Response):
    """A response with a JSON shortcut."""

    def json(self, value: object, status: int = 200) -> None:
        """Answer with compact JSON; datetimes become ISO-8601."""
        self.json_bytes(dump_bytes(value), status)

    def json_bytes(self, data: bytes, status: int = 200) -> None:
        """Answer with JSON that is already encoded."""
        self.data = data
        self.status = cast(Any, status)
        self.content_type = "application/json"

    def html(self, text: str, status: int = 200) -> None:
        """Answer with an HTML page."""
        self.data = text.encode()
        self.status = cast(Any, status)
        self.content_type = "text/html; charset=utf-8"
