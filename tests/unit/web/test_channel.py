"""What a connection knows about the request it is receiving."""

from __future__ import annotations

from typing import Any

from hogsend.web.channel import Channel


def receiving(request: object | None) -> Any:
    channel: Any = Channel.__new__(Channel)
    channel.request = request
    return channel


def test_trickling_one_request_for_half_a_minute_is_noticed() -> None:
    channel = receiving(object())

    seen = [channel.is_trickling(1000.0 + seconds) for seconds in (0, 5, 30, 31)]

    assert seen == [False, False, False, True]


def test_trickling_is_not_said_of_a_connection_amid_another_request_each_time() -> None:
    channel = receiving(None)

    seen = []
    for seconds in range(0, 120, 5):
        channel.request = object()
        seen.append(channel.is_trickling(1000.0 + seconds))

    assert not any(seen)


def test_trickling_starts_anew_after_an_idle_time() -> None:
    channel = receiving(object())
    channel.is_trickling(1000.0)
    channel.request = None
    channel.is_trickling(1040.0)

    channel.request = object()

    assert channel.is_trickling(1045.0) is False
