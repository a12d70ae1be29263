"""Redis for what may be lost: heartbeats, rate limits, caches. Nothing durable lives here."""

from hogsend.kv.client import Kv, KvUnavailable

__all__ = ["Kv", "KvUnavailable"]
