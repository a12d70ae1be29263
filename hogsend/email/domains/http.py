"""JSON over HTTP as every domain API speaks it."""

from __future__ import annotations

from collections.abc import Mapping

from hogsend.email.domains.base import DomainRefused
from hogsend.kernel.wire_json import JsonObject, dump_bytes, loads
from hogsend.net.client import AnswerLost, HttpClient, NotSent


class JsonApi:
    """One vendor's API; every method returns the JSON object of the answer."""

    def __init__(
        self, http: HttpClient, *, vendor: str, base_url: str, headers: Mapping[str, str]
    ) -> None:
        self._http = http
        self._vendor = vendor
        self._base = base_url.rstrip("/")
        self._headers = {
            "accept": "application/json",
            "content-type": "application/json",
            **headers,
        }

    def call(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """Raises DomainRefused with the vendor's explanation."""
        try:
            answer = self._http.request(
                method,
                f"{self._base}{path}",
                headers=self._headers,
                body=b"" if body is None else dump_bytes(body),
            )
        except (NotSent, AnswerLost) as error:
            raise DomainRefused(f"{self._vendor}: {error.message}", status=None) from error
        try:
            parsed = loads(answer.body)
        except ValueError:
            parsed = None
        fields = parsed if isinstance(parsed, dict) else {}
        if 200 <= answer.status < 300:
            return fields
        said = fields.get("message") or fields.get("Message") or "no explanation"
        raise DomainRefused(
            f"{self._vendor} answered {answer.status}: {said}",
            status=answer.status,
            hint="use a key that may manage domains" if answer.status in (401, 403) else None,
        )
