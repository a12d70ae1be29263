"""Which caller to believe: ``X-Forwarded-For`` counts only from proxies we were told about."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hogsend.errors import ConfigError


class TrustedProxies:
    """Reads ``TRUSTED_PROXIES``: networks in CIDR form, or one number of hops to trust.

    Without entries the socket's address is the caller, whatever the headers say.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._hops = 0
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            if entry.isdigit():
                self._hops = int(entry)
                continue
            try:
                self._networks.append(ip_network(entry, strict=False))
            except ValueError as error:
                raise ConfigError(
                    f"TRUSTED_PROXIES: {entry!r} is neither a network nor a number of hops",
                    hint="use for example 10.0.0.0/8,192.168.0.0/16 or 1",
                ) from error

    def client_of(self, remote: str, forwarded_for: str | None) -> str:
        """The address of the caller, given the socket's peer and the header as received."""
        remote = remote.removeprefix("::ffff:")  # IPv4 on a socket for both families
        if forwarded_for is None or not (self._hops or self._networks):
            return remote
        chain = [part.strip() for part in forwarded_for.split(",") if part.strip()] + [remote]
        if self._hops:
            return chain[max(0, len(chain) - 1 - self._hops)]
        # Walk from the nearest hop outwards; the first one that is not ours is the caller.
        for address in reversed(chain):
            if not self._is_trusted(address):
                return address
        return chain[0]

    def _is_trusted(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(
            parsed.version == network.version and parsed in network for network in self._networks
        )


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
