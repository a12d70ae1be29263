"""Redis: reachable, keeps what it is given, and workers that beat in it."""

from __future__ import annotations

from collections.abc import Sequence

from hogsend import __version__
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock
from hogsend.kv import Kv, heartbeat
from hogsend.ops.checks.finding import Finding, ok, problem, warning
from hogsend.settings import Settings

_SUBJECT = "redis"
# CONFIG is closed to scripts and on managed servers; INFO says the same.
_MEMORY = "return redis.call('INFO', 'memory')"


def check_redis(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """Everything about ``REDIS_URL``; Redis is never the only copy of anything."""
    kv = Kv(settings.redis_url, prefix=settings.redis_prefix)
    try:
        kv.ping()
        return [ok(_SUBJECT, "Redis answers"), *_policy(kv), *_workers(kv, clock)]
    except HogsendError as error:
        return [
            warning(
                _SUBJECT,
                f"{error.message}; limits count per process and heartbeats are blind until it does",
                "check REDIS_URL (rediss:// for TLS) and that the server is up",
            )
        ]
    finally:
        kv.close()


def _policy(kv: Kv) -> list[Finding]:
    lines = str(kv.run_script(_MEMORY, keys=[], args=[])).splitlines()
    facts = dict(line.partition(":")[::2] for line in lines)
    policy = facts.get("maxmemory_policy")
    if policy is None:
        return []
    if facts.get("maxmemory") != "0" and not policy.startswith(("noeviction", "volatile")):
        return [
            warning(
                _SUBJECT,
                f"maxmemory-policy {policy} evicts keys that have no expiry",
                "use noeviction or a volatile-* policy",
            )
        ]
    return [ok(_SUBJECT, f"maxmemory-policy {policy}")]


def _workers(kv: Kv, clock: Clock) -> list[Finding]:
    workers = heartbeat.read(kv, now=clock.now())
    if not workers.instances:
        return [
            warning(
                "workers",
                "no worker has given a sign of life within 30 s",
                "start `hogsend worker`; events are kept until then",
            )
        ]
    other = {v for v in workers.versions.values() if v not in ("", __version__)}
    if other:
        return [
            warning(
                "workers",
                f"{len(workers.instances)} alive, some run {', '.join(sorted(other))}, "
                f"this is {__version__}",
                "finish the upgrade: all workers should run the same version",
            )
        ]
    return [ok("workers", f"{len(workers.instances)} alive")]


def check_redis_is_set(settings: Settings) -> Sequence[Finding]:
    """In production the default address is a mistake."""
    if settings.node_env == "production" and "REDIS_URL" not in settings.provided:
        return [
            problem(
                _SUBJECT,
                "NODE_ENV is production and REDIS_URL is not set",
                "set REDIS_URL, so that limits hold across replicas",
            )
        ]
    return []
