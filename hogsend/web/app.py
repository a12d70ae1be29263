"""Builds the WSGI application from the routes of the slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import falcon

from hogsend.web.edge import Edge, RequestObserver, RequestTracer
from hogsend.web.errors import handle
from hogsend.web.http import Request, Response
from hogsend.web.proxies import TrustedProxies
from hogsend.web.route import PrefixGuard, Route, Router


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """What the HTTP layer takes from the settings.

    ``trusted_proxies`` are CIDR networks or one number of hops; ``is_access_logged`` writes one
    line per request (health excluded).
    """

    max_body_bytes: int = 1024 * 1024
    trusted_proxies: tuple[str, ...] = ()
    is_access_logged: bool = False
    observe_request: RequestObserver | None = None
    tracer: RequestTracer | None = None


def build_app(
    routes: Iterable[Route],
    *,
    options: WebOptions | None = None,
    prefix_guards: Sequence[PrefixGuard] = (),
) -> falcon.App[Request, Response]:
    """The application; opens nothing and starts nothing.

    Unknown paths and methods answer 404 ``{"error":"Not Found"}``, after the guard of the path
    or of the first matching ``prefix_guards`` entry.
    """
    chosen = options or WebOptions()

    class BoundRequest(Request):
        # Class attributes cost nothing per request; the options differ per application.
        max_body_bytes = chosen.max_body_bytes
        proxies = TrustedProxies(chosen.trusted_proxies)

    app: falcon.App[Request, Response] = falcon.App(
        router=cast(Any, Router(routes, prefix_guards=prefix_guards)),
        request_type=BoundRequest,
        response_type=Response,
        middleware=[
            Edge(
                is_access_logged=chosen.is_access_logged,
                observe=chosen.observe_request,
                tracer=chosen.tracer,
            )
        ],
    )
    app.add_error_handler(Exception, handle)
    app.add_error_handler(falcon.HTTPError, handle)
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.keep_blank_qs_values = True
    app.resp_options.default_media_type = "application/json"
    return app
