"""``GET /v1/health``, ``/live``, ``/ready`` and ``GET /v1/auth/status``."""

from __future__ import annotations

from collections.abc import Callable

from hogsend.ops.descriptions import GET_AUTH_STATUS, GET_HEALTH, GET_LIVE, GET_READY
from hogsend.ops.health import Health
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

HEALTH_PATH = "/v1/health"
LIVE_PATH = "/v1/health/live"
READY_PATH = "/v1/health/ready"
AUTH_STATUS_PATH = "/v1/auth/status"

_LIVE = b'{"status":"live"}'
_READY = b'{"status":"ready"}'
_NOT_READY = b'{"status":"not_ready"}'


def routes(health: Health, *, needs_setup: Callable[[], bool]) -> list[Route]:
    """The open routes; ``needs_setup`` is True while there is no administrator."""

    def get_health(req: Request, resp: Response) -> None:
        report = health.report()
        resp.json(health.body(report), 503 if report.status == "migration_pending" else 200)
        resp.set_header("Cache-Control", "no-store")

    def get_live(req: Request, resp: Response) -> None:
        resp.json_bytes(_LIVE)

    def get_ready(req: Request, resp: Response) -> None:
        is_ready = health.is_ready()
        resp.json_bytes(_READY if is_ready else _NOT_READY, 200 if is_ready else 503)

    def get_auth_status(req: Request, resp: Response) -> None:
        resp.json({"needsSetup": needs_setup()})

    return [
        Route(method="GET", path=HEALTH_PATH, handler=get_health, doc=GET_HEALTH),
        Route(method="GET", path=LIVE_PATH, handler=get_live, doc=GET_LIVE),
        Route(method="GET", path=READY_PATH, handler=get_ready, doc=GET_READY),
        Route(method="GET", path=AUTH_STATUS_PATH, handler=get_auth_status, doc=GET_AUTH_STATUS),
    ]
