from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hogsend.embedded import ports
from hogsend.embedded.ports import find_free_port, is_free


def test_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)

    assert is_free(port)


def test_found_ports_are_never_given_to_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    found = [find_free_port() for _ in range(200)]

    assert all(20_000 <= port < first and is_free(port) for port in found)
    assert len(set(found)) > 150  # nobody else gets the same one


def test_found_port_skips_those_that_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", find_free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_LOWEST", port)
        monkeypatch.setattr(ports, "_first_outgoing", lambda: port + 1)

        found = find_free_port()

    assert found not in (0, port)


@pytest.mark.parametrize("content", ["1024 65535", "", "many"])
def test_found_port_is_one_whatever_the_kernel_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "range"
    file.write_text(content)
    monkeypatch.setattr(ports, "_OUTGOING", file)

    assert is_free(find_free_port())
