"""JSON over HTTP as every domain API speaks it: domains have ids, and are asked for by them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from hogsend.email.domains.base import DomainRefused, DomainStatus
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Where a vendor lists the domains of an account, and the fields of one."""

    path: str
    rows: str
    name: str
    id: str


class VendorDomains(ABC):
    """What the vendors have in common of a DomainProvider."""

    name: ClassVar[str]
    listing: ClassVar[Listing]

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def find(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.find."""
        found = self._find_id(domain)
        if found is None:
            return DomainStatus(
                domain=domain, state="not_found", records=(), provider=self.name, checked_at=now
            )
        return self._to_status(domain, self._api.call("GET", f"/domains/{found}"), now=now)

    def verify(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.verify."""
        found = self._find_id(domain)
        if found is not None:
            self._ask_to_verify(found)
        return self.find(domain, now=now)

    def _find_id(self, domain: str) -> str | None:
        listed = self._api.call("GET", self.listing.path).get(self.listing.rows)
        for entry in listed if isinstance(listed, list) else []:
            if isinstance(entry, dict) and str(entry.get(self.listing.name, "")).lower() == domain:
                return str(entry[self.listing.id])
        return None

    @abstractmethod
    def _ask_to_verify(self, domain_id: str) -> None:
        """Have the vendor look at the DNS records of a domain it knows."""

    @abstractmethod
    def _to_status(self, domain: str, fields: JsonObject, *, now: datetime) -> DomainStatus:
        """What its answer about one domain says."""
