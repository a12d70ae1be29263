"""Requests that can be repeated: the first answer is kept and given again."""

from hogsend.idempotency.replay import Replay
from hogsend.idempotency.store import purge_expired

__all__ = ["Replay", "purge_expired"]
