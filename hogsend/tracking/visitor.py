"""What a tracking route keeps of the request it got."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hogsend.kernel.networks import truncate_ip
from hogsend.tracking.models import Visitor
from hogsend.web.http import Request

Classify = Callable[[str, Mapping[str, str]], str | None]
_HEADERS = ("user-agent", "purpose", "x-purpose", "sec-purpose", "x-moz")


def read_visitor(req: Request, classify: Classify) -> Visitor:
    """Who asked, without the part of the address that points to one household."""
    headers = {
        name: value
        for name in _HEADERS
        if (value := req.env.get(f"HTTP_{name.upper().replace('-', '_')}")) is not None
    }
    return Visitor(
        ip=truncate_ip(req.client_ip),
        user_agent=headers.get("user-agent", "").replace("\0", ""),
        machine=classify(req.method, headers),
    )
