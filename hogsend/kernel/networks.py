"""Network addresses as we keep them."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

_KEPT_BITS = {4: 24, 6: 48}


def truncate_ip(address: str) -> str:
    """``203.0.113.77`` becomes ``203.0.113.0``, IPv6 keeps 48 bits; anything else is kept.

    Enough to tell networks apart, too little to point to one household.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    network = ip_network(f"{parsed}/{_KEPT_BITS[parsed.version]}", strict=False)
    return str(network.network_address)
