"""``/v1/admin/domain``: register, look at and verify the sending domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from hogsend.access.guards import Guards
from hogsend.email.domains.base import DomainProvider, DomainRefused, DomainStatus, check_domain
from hogsend.email.domains.descriptions import GET_DOMAIN, POST_VERIFY, post_domain
from hogsend.email.domains.watch import DomainWatch
from hogsend.errors import InvalidInput
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import iso_z
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

PATH = "/v1/admin/domain"
VERIFY_PATH = "/v1/admin/domain/verify"

_GUIDANCE = {
    "title": "Send from a subdomain",
    "body": "A subdomain of its own keeps the reputation of this mail apart from that of your "
    "company's mail.",
    "note": "Add the records at whoever hosts your DNS; it can take an hour until they are seen.",
    "recommendedLabels": ["notifications", "mail", "updates"],
}


class DomainBody(BaseModel):
    """``POST /v1/admin/domain``."""

    domain: str = Field(min_length=1, max_length=253)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainApi:
    """``provider`` None: the mail provider in use has no domain API (or no key for it)."""

    provider_id: str
    provider: DomainProvider | None
    domain: str | None
    watch: DomainWatch
    inbox: str | None
    test_sender: str | None
    clock: Clock

    def get(self, req: Request, resp: Response) -> None:
        """What the provider says now. A key that may not ask is answered with status null."""
        status: DomainStatus | None = None
        try:
            if self.provider is not None and self.domain is not None:
                status = self.provider.find(self.domain, now=self.clock.now())
        except DomainRefused as error:
            if not error.is_forbidden:
                self._refused(resp, error)
                return
        if req.get_param("refresh") == "true":
            self.watch.refresh()
        resp.json(self._body(status))

    def create(self, req: Request, resp: Response) -> None:
        """Register a domain; one that is there already is answered alike."""
        domain = check_domain(req.json_model(DomainBody).domain)
        if self.provider is None:
            self._unsupported(resp)
            return
        try:
            status = self.provider.create(domain, now=self.clock.now())
        except DomainRefused as error:
            self._refused(resp, error)
            return
        resp.json(self._body(status))

    def verify(self, req: Request, resp: Response) -> None:
        """Have the provider look at the records again."""
        if self.provider is None:
            self._unsupported(resp)
            return
        if self.domain is None:
            raise InvalidInput("no_domain_configured")
        try:
            status = self.provider.verify(self.domain, now=self.clock.now())
        except DomainRefused as error:
            self._refused(resp, error)
            return
        resp.json(self._body(status))

    def _body(self, status: DomainStatus | None) -> dict[str, Any]:
        reason = self.watch.reason()
        return {
            "domain": status.domain if status is not None else self.domain,
            "providerId": self.provider_id,
            "supported": self.provider is not None,
            "returnPathSupported": False,
            "status": None if status is None else _to_wire(status),
            "testMode": {
                "active": reason is not None,
                "reason": reason,
                "redirectTo": self.inbox,
                "fromOverride": self.test_sender if reason is not None else None,
            },
            "guidance": _GUIDANCE,
        }

    def _refused(self, resp: Response, error: DomainRefused) -> None:
        status = 409 if error.status == 409 else 502
        name = "domain_conflict" if status == 409 else "provider_error"
        resp.json({"error": name, "message": error.message}, status)

    def _unsupported(self, resp: Response) -> None:
        resp.json(
            {
                "error": "provider_unsupported",
                "message": f"{self.provider_id} has no domain API, or no key for it is set",
            },
            501,
        )


def routes(api: DomainApi, guards: Guards) -> list[Route]:
    """Operators only."""
    guard = guards.admin()
    return [
        Route(method="GET", path=PATH, handler=api.get, guard=guard, doc=GET_DOMAIN),
        Route(
            method="POST",
            path=PATH,
            handler=api.create,
            guard=guard,
            doc=post_domain(DomainBody),
        ),
        Route(method="POST", path=VERIFY_PATH, handler=api.verify, guard=guard, doc=POST_VERIFY),
    ]


def _to_wire(status: DomainStatus) -> dict[str, Any]:
    return {
        "domain": status.domain,
        "state": status.state,
        "records": [record.to_wire() for record in status.records],
        "providerId": status.provider,
        "checkedAt": iso_z(status.checked_at),
    }
