"""``GET /openapi.json`` and ``GET /docs``; not served in production."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from hogsend.kernel.wire_json import dump_bytes
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.docs_page import CONTENT_SECURITY_POLICY, render_docs
from hogsend.web.http import Request, Response
from hogsend.web.openapi import build_openapi
from hogsend.web.route import Route

OPENAPI_PATH = "/openapi.json"
DOCS_PATH = "/docs"
_TAG = "Documentation"


class Description:
    """The document of some routes, made with the first request for it."""

    def __init__(self, routes: Sequence[Route], *, server_url: str) -> None:
        self._routes = routes
        self._server_url = server_url

    @cached_property
    def document(self) -> dict[str, Any]:
        """As OpenAPI 3.1."""
        return build_openapi(self._routes, server_url=self._server_url)

    @cached_property
    def as_json(self) -> bytes:
        """As it is served."""
        return dump_bytes(self.document)

    @cached_property
    def as_page(self) -> str:
        """As it is read."""
        return render_docs(self.document)


def with_docs(routes: Sequence[Route], *, server_url: str) -> list[Route]:
    """The routes and the two that describe them, themselves included."""

    def get_openapi(req: Request, resp: Response) -> None:
        resp.json_bytes(description.as_json)

    def get_docs(req: Request, resp: Response) -> None:
        resp.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        resp.html(description.as_page)

    everything = [
        *routes,
        Route(method="GET", path=OPENAPI_PATH, handler=get_openapi, doc=_OPENAPI),
        Route(method="GET", path=DOCS_PATH, handler=get_docs, doc=_DOCS),
    ]
    description = Description(everything, server_url=server_url)
    return everything


_OPENAPI = RouteDoc(
    summary="This description",
    tag=_TAG,
    uses_database=False,
    answers={200: Answer(description="An OpenAPI 3.1 document")},
)
_DOCS = RouteDoc(
    summary="This description as a page",
    tag=_TAG,
    uses_database=False,
    answers={200: Answer(description="A page", media_type="text/html; charset=utf-8")},
)
