"""Questions to the domain name system, with answers a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from hogsend.errors import HogsendError, InvalidInput

if TYPE_CHECKING:
    import dns.resolver

RecordType = Literal["TXT", "CNAME", "MX", "NS"]


class DnsUnavailable(HogsendError):
    """No name server answered: nothing is known, which is not the same as no record."""

    default_code = "dns_unavailable"


class Lookup(Protocol):
    """Asks for the records of one name."""

    def __call__(self, name: str, kind: RecordType) -> list[str]:
        """The values, empty when there are none; raises DnsUnavailable.

        TXT strings are joined, host names end without a dot and are lower-case, MX is
        ``<preference> <host>``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsOptions:
    """``servers`` are ``address`` or ``address:port``; none: those of the machine."""

    servers: Sequence[str] = ()
    timeout: timedelta = timedelta(seconds=5)


class DnsLookup:
    """Implements Lookup with dnspython; not cached, so that a fresh record is seen at once."""

    def __init__(self, options: DnsOptions | None = None) -> None:
        self._options = options or DnsOptions()
        self._resolver: dns.resolver.Resolver | None = None

    def __call__(self, name: str, kind: RecordType) -> list[str]:
        """See Lookup."""
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            answer = self._open().resolve(
                name.rstrip(".") + ".", kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.name.EmptyLabel, dns.name.LabelTooLong, dns.name.NameTooLong) as error:
            raise InvalidInput(f"{name!r} is not a domain name") from error
        except (dns.exception.DNSException, OSError) as error:
            raise DnsUnavailable(
                f"no name server answered for {name} {kind}: {error}",
                hint="check the network, or name a server with --nameserver",
            ) from error
        return [_to_text(kind, record) for record in answer]

    def _open(self) -> dns.resolver.Resolver:
        if self._resolver is None:
            import dns.resolver

            resolver = dns.resolver.Resolver(configure=not self._options.servers)
            if self._options.servers:
                pairs = [_split(server) for server in self._options.servers]
                resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(address, port) for address, port in pairs
                ]
            resolver.lifetime = self._options.timeout.total_seconds()
            resolver.cache = None
            self._resolver = resolver
        return self._resolver


def _to_text(kind: RecordType, record: object) -> str:
    if kind == "TXT":
        strings: tuple[bytes, ...] = record.strings  # type: ignore[attr-defined]
        return b"".join(strings).decode("utf-8", "replace")
    if kind == "MX":
        preference, host = str(record).split(" ", 1)
        return f"{preference} {host.rstrip('.').lower()}"
    return str(record).rstrip(".").lower()


def _split(server: str) -> tuple[str, int]:
    if server.startswith("["):
        address, _, port = server[1:].partition("]")
        port = port.removeprefix(":")
    elif server.count(":") == 1:
        address, _, port = server.partition(":")
    else:
        address, port = server, ""
    if port and not port.isdigit():
        raise InvalidInput(f"{server!r} is not the address of a name server")
    return address, int(port or 53)
