"""Domains at Resend (https://resend.com/docs/api-reference/domains, observed 2026-11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hogsend.email.domains.base import (
    DomainRecord,
    DomainRefused,
    DomainState,
    DomainStatus,
    Purpose,
    RecordKind,
    RecordStatus,
)
from hogsend.email.domains.http import JsonApi, Listing, VendorDomains
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.net.client import HttpClient

_STATES: Mapping[str, DomainState] = {
    "verified": "verified",
    "failed": "failed",
    "failure": "failed",
    "partially_failed": "failed",
}
_RECORD_STATES: Mapping[str, RecordStatus] = {
    "verified": "verified",
    "failed": "failed",
    "failure": "failed",
    "not_started": "pending",
    "pending": "pending",
    "temporary_failure": "pending",
}
_PURPOSES: Mapping[str, Purpose] = {"spf": "spf", "dkim": "dkim", "tracking": "tracking"}
_KINDS: Mapping[str, RecordKind] = {"TXT": "TXT", "CNAME": "CNAME", "MX": "MX"}


class ResendDomains(VendorDomains):
    """Implements DomainProvider; needs a key with full access."""

    name = "resend"
    listing = Listing(path="/domains", rows="data", name="name", id="id")

    def __init__(
        self, http: HttpClient, *, api_key: str, base_url: str = "https://api.resend.com"
    ) -> None:
        headers = {"authorization": f"Bearer {api_key}"}
        super().__init__(JsonApi(http, vendor="Resend", base_url=base_url, headers=headers))

    def create(self, domain: str, *, now: datetime) -> DomainStatus:
        """See DomainProvider.create."""
        try:
            made = self._api.call("POST", "/domains", {"name": domain})
        except DomainRefused as error:
            if error.status != 409 and "already" not in error.message.lower():
                raise
            found = self.find(domain, now=now)
            if found.state == "not_found":
                raise  # it belongs to another account
            return found
        return self._to_status(domain, made, now=now)

    def _ask_to_verify(self, domain_id: str) -> None:
        self._api.call("POST", f"/domains/{domain_id}/verify", {})

    def _to_status(self, domain: str, fields: JsonObject, *, now: datetime) -> DomainStatus:
        records = fields.get("records")
        return DomainStatus(
            domain=domain,
            state=_STATES.get(str(fields.get("status")), "pending"),
            records=[
                _to_record(domain, record)
                for record in (records if isinstance(records, list) else [])
                if isinstance(record, dict) and record.get("type") in _KINDS
            ],
            provider=self.name,
            checked_at=now,
        )


def _to_record(domain: str, fields: JsonObject) -> DomainRecord:
    kind = _KINDS[str(fields["type"])]
    default: Purpose = "mx" if kind == "MX" else "other"
    return DomainRecord(
        type=kind,
        name=_complete(str(fields.get("name", "")), domain),
        value=str(fields.get("value", "")),
        purpose=_PURPOSES.get(str(fields.get("record", "")).lower(), default),
        status=_RECORD_STATES.get(str(fields.get("status")), "unknown"),
        ttl=_to_int(fields.get("ttl")),
        priority=_to_int(fields.get("priority")),
    )


def _complete(name: str, domain: str) -> str:
    """Names come relative to the registered root (``send.mail`` for ``mail.example.com``)."""
    name = name.rstrip(".").lower()
    if not name or name == "@":
        return domain
    if name == domain or name.endswith(f".{domain}"):
        return name
    labels = domain.split(".")
    for count in range(len(labels) - 2, 0, -1):
        prefix = ".".join(labels[:count])
        if name == prefix or name.endswith(f".{prefix}"):
            return f"{name}.{'.'.join(labels[count:])}"
    return f"{name}.{domain}"


def _to_int(value: JsonValue) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None  # the vendor writes "Auto"
