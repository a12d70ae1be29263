"""What the published TypeScript client does on the wire, in a few lines of plain HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit


class ApiError(Exception):
    """``status`` and ``body`` as the client exposes them; ``str`` is its message."""

    def __init__(self, status: int, body: Any, retry_after: int | None = None) -> None:
        super().__init__(_message(status, body))
        self.status = status
        self.body = body
        self.retry_after = retry_after


def _message(status: int, body: Any) -> str:
    if isinstance(body, dict) and body.get("success") is False and isinstance(body["error"], dict):
        return f"{status}: validation failed {json.dumps(body['error'])[:200]}"
    if isinstance(body, dict) and "error" in body:
        return f"{status}: {body['error']}"
    return str(status)


@dataclass(kw_only=True)
class Client:
    """One client; a connection of its own for every request, no retries."""

    base_url: str
    api_key: str
    origin: str | None = None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The decoded answer; None for an empty one, text for what is no JSON."""
        base = urlsplit(self.base_url.rstrip("/"))
        sent = {"Accept": "application/json", "Authorization": f"Bearer {self.api_key}"}
        if self.origin is not None:
            sent["Origin"] = self.origin
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        sent |= headers or {}
        target = base.path + path + (f"?{urlencode(query)}" if query else "")
        connection = http.client.HTTPConnection(base.hostname or "", base.port, timeout=30)
        try:
            connection.request(method, target, body=data, headers=sent)
            response = connection.getresponse()
            content = response.read()
            retry_after = response.headers.get("Retry-After")
        finally:
            connection.close()
        decoded: Any = None
        if content:
            try:
                decoded = json.loads(content)
            except ValueError:
                decoded = content.decode()
        if response.status >= 400:
            raise ApiError(response.status, decoded, int(retry_after) if retry_after else None)
        return decoded

    def upsert_contact(self, **body: Any) -> Any:
        """``contacts.upsert``."""
        return self.request("PUT", "/v1/contacts", body)

    def find_contacts(self, **query: str) -> Any:
        """``contacts.find``."""
        return self.request("GET", "/v1/contacts/find", query=query)["contacts"]

    def delete_contact(self, **body: str) -> Any:
        """``contacts.delete``: a DELETE with a JSON body."""
        return self.request("DELETE", "/v1/contacts", body)

    def send_event(self, name: str, *, key: str | None = None, **body: Any) -> Any:
        """``events.send``: the idempotency key travels in the header and in the body."""
        headers = {} if key is None else {"Idempotency-Key": key}
        fields = body if key is None else body | {"idempotencyKey": key}
        return self.request("POST", "/v1/events", {"name": name} | fields, headers=headers)


def encoded(path_id: str) -> str:
    """An id as the client puts it in a path."""
    return quote(path_id, safe="")
