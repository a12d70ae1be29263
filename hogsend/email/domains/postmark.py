"""Domains at Postmark (https://postmarkapp.com/developer/api/domains-api, observed 2026-11)."""

from __future__ import annotations

from datetime import datetime

from hogsend.email.domains.base import DomainRecord, DomainRefused, DomainState, DomainStatus
from hogsend.email.domains.http import JsonApi
from hogsend.kernel.wire_json import JsonObject
from hogsend.net.client import HttpClient


class PostmarkDomains:
    """Implements DomainProvider; needs the account token, not a server's."""

    name = "postmark"

    def __init__(
        self, http: HttpClient, *, account_token: str, base_url: str = "https://api.postmarkapp.com"
    ) -> None:
        self._api = JsonApi(
            http,
            vendor="Postmark",
            base_url=base_url,
            headers={"x-postmark-account-token": account_token},
        )

    def find(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.find."""
        found = self._find_id(domain)
        if found is None:
            return DomainStatus(
                domain=domain, state="not_found", records=(), provider=self.name, checked_at=now
            )
        return self._to_status(domain, self._api.call("GET", f"/domains/{found}"), now=now)

    def create(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.create."""
        try:
            made = self._api.call("POST", "/domains", {"Name": domain})
        except DomainRefused as error:
            if error.status != 422 or "exist" not in error.message.lower():
                raise
            return self.find(domain, now=now)
        return self._to_status(domain, made, now=now)

    def verify(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.verify."""
        found = self._find_id(domain)
        if found is not None:
            self._api.call("PUT", f"/domains/{found}/verifyDkim", {})
            self._api.call("PUT", f"/domains/{found}/verifyReturnPath", {})
        return self.find(domain, now=now)

    def _find_id(self, domain: str) -> str | None:
        listed = self._api.call("GET", "/domains?count=500&offset=0").get("Domains")
        for entry in listed if isinstance(listed, list) else []:
            if isinstance(entry, dict) and str(entry.get("Name", "")).lower() == domain:
                return str(entry["ID"])
        return None

    def _to_status(self, domain: str, fields: JsonObject, *, now: datetime) -> DomainStatus:
        has_dkim = fields.get("DKIMVerified") is True
        has_return_path = fields.get("ReturnPathDomainVerified") is True
        records: list[DomainRecord] = []
        host = fields.get("DKIMPendingHost") or fields.get("DKIMHost")
        value = fields.get("DKIMPendingTextValue") or fields.get("DKIMTextValue")
        if host and value:
            records.append(
                DomainRecord(
                    type="TXT",
                    name=str(host).lower(),
                    value=str(value),
                    purpose="dkim",
                    status="verified" if has_dkim else "pending",
                )
            )
        return_path = fields.get("ReturnPathDomain")
        target = fields.get("ReturnPathDomainCNAMEValue")
        if return_path and target:
            records.append(
                DomainRecord(
                    type="CNAME",
                    name=str(return_path).lower(),
                    value=str(target).lower(),
                    purpose="return_path",
                    status="verified" if has_return_path else "pending",
                )
            )
        state: DomainState = "verified" if has_dkim and has_return_path else "pending"
        return DomainStatus(
            domain=domain, state=state, records=records, provider=self.name, checked_at=now
        )
