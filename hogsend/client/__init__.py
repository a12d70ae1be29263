"""Talks to a Hogsend server from other programs; knows nothing of the engine.

from hogsend.client import Hogsend

hogsend = Hogsend("https://hogsend.example.com", "hsk_…")
hogsend.events.send("order.paid", user_id="user_42", properties={"total": 42})
"""

from hogsend.client.api import Hogsend
from hogsend.client.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    HogsendClientError,
    NotFound,
    RateLimited,
    ServerFailed,
    Unauthorized,
    Unreachable,
)
from hogsend.client.models import Event
from hogsend.client.tokens import mint_user_token

__all__ = [
    "BadRequest",
    "Conflict",
    "Event",
    "Forbidden",
    "Hogsend",
    "HogsendClientError",
    "NotFound",
    "RateLimited",
    "ServerFailed",
    "Unauthorized",
    "Unreachable",
    "mint_user_token",
]
