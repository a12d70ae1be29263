"""What a tracking route keeps of the request it got."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from hogsend.tracking.models import Visitor
from hogsend.web.http import Request

Classify = Callable[[str, Mapping[str, str]], str | None]
_HEADERS = ("user-agent", "purpose", "x-purpose", "sec-purpose", "x-moz")
_KEPT_BITS = {4: 24, 6: 48}


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


def truncate_ip(address: str) -> str:
    """``203.0.113.77`` becomes ``203.0.113.0``, IPv6 keeps 48 bits; anything else is kept."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    network = ip_network(f"{parsed}/{_KEPT_BITS[parsed.version]}", strict=False)
    return str(network.network_address)
