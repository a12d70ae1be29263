"""Calls of commands to the api."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from hogsend.errors import HogsendError


def call(
    method: str,
    url: str,
    *,
    key: str,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The JSON object of the answer; parameters that are None are left out.

    Raises HogsendError ``api_refused`` with the api's reason for any other status than 2xx.
    """
    from hogsend.net.client import HttpClient

    given = {name: value for name, value in (query or {}).items() if value is not None}
    headers = {"Authorization": f"Bearer {key}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    client = HttpClient()
    try:
        answer = client.request(
            method,
            f"{url}?{urlencode(given)}" if given else url,
            headers=headers,
            body=b"" if body is None else json.dumps(body).encode(),
        )
    finally:
        client.close()
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    if answer.status >= 300:
        reason = content.get("message") or content.get("error") or "no reason given"
        raise HogsendError(f"{url} answered {answer.status}: {reason}", code="api_refused")
    return content
