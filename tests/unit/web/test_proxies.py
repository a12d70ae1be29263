from __future__ import annotations

import pytest

from hogsend.errors import ConfigError
from hogsend.web.proxies import TrustedProxies


@pytest.mark.parametrize(
    ("entries", "remote", "forwarded", "client"),
    [
        ((), "10.0.0.1", "1.2.3.4", "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", None, "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "1.2.3.4", "1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (("10.0.0.0/8",), "9.9.9.9", "1.2.3.4", "9.9.9.9"),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
        (("fd00::/8",), "fd00::1", "2001:db8::1", "2001:db8::1"),
        (("10.0.0.0/8",), "10.0.0.1", "garbage", "garbage"),
        (("10.0.0.0/8",), "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (("1",), "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (("2",), "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (("5",), "10.0.0.1", "1.2.3.4", "1.2.3.4"),
    ],
)
def test_client_of_trusts_only_configured_hops(
    entries: tuple[str, ...], remote: str, forwarded: str | None, client: str
) -> None:
    assert TrustedProxies(entries).client_of(remote, forwarded) == client


def test_trusted_proxies_malformed_entry_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES"):
        TrustedProxies(("load-balancer",))
