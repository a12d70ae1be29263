"""Domains at Postmark (https://postmarkapp.com/developer/api/domains-api, observed 2026-11)."""

from __future__ import annotations

from datetime import datetime

from hogsend.email.domains.base import DomainRecord, DomainRefused, DomainState, DomainStatus
from hogsend.email.domains.http import JsonApi, Listing, VendorDomains
from hogsend.kernel.wire_json import JsonObject
from hogsend.net.client import HttpClient


class PostmarkDomains(VendorDomains):
    """Implements DomainProvider; needs the account token, not a server's."""

    name = "postmark"
    listing = Listing(path="/domains?count=500&offset=0", rows="Domains", name="Name", id="ID")

    def __init__(
        self, http: HttpClient, *, account_token: str, base_url: str = "https://api.postmarkapp.com"
    ) -> None:
        headers = {"x-postmark-account-token": account_token}
        super().__init__(JsonApi(http, vendor="Postmark", base_url=base_url, headers=headers))

    def create(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.create."""
        try:
            made = self._api.call("POST", "/domains", {"Name": domain})
        except DomainRefused as error:
            if error.status != 422 or "exist" not in error.message.lower():
                raise
            return self.find(domain, now=now)
        return self._to_status(domain, made, now=now)

    def _ask_to_verify(self, domain_id: str) -> None:
        self._api.call("PUT", f"/domains/{domain_id}/verifyDkim", {})
        self._api.call("PUT", f"/domains/{domain_id}/verifyReturnPath", {})

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
