"""``/v1/admin/templates``: what templates there are, how they look, and a test mail to oneself."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from hogsend.access.guards import Guards
from hogsend.email.mailer import Mailer
from hogsend.email.models import SendRequest
from hogsend.email.policy import TRANSACTIONAL
from hogsend.email.templates.errors import TemplateError
from hogsend.errors import InvalidInput, NotAllowed
from hogsend.kernel.addresses import normalize_email
from hogsend.kernel.wire_json import JsonObject, JsonValue, loads
from hogsend.web.describe import Answer, RouteDoc
from hogsend.web.fields import Body, Email, Query, Sent
from hogsend.web.http import Request, Response
from hogsend.web.route import Route

TEMPLATES_PATH = "/v1/admin/templates"
PREVIEW_PATH = "/v1/admin/templates/{key}/preview"
SEND_TEST_PATH = "/v1/admin/templates/{key}/send-test"
_TAG = "Templates"


class PreviewQuery(Query):
    """``props`` is a JSON object in base64; ``format`` answers one body instead of JSON."""

    props: str | None = Field(default=None, max_length=16384)
    format: Literal["html", "text"] | None = None


class SendTestBody(Body):
    """Where the test mail goes: an operator's own address."""

    to: Email
    props: dict[str, Any] = Field(default_factory=dict)


class TemplateItem(Sent):
    """One template."""

    key: str
    defaultSubject: str
    category: str | None
    hasPreview: bool


class TemplatesAnswer(Sent):
    """Every template, by key."""

    templates: list[TemplateItem]


class PreviewAnswer(Sent):
    """The template filled with its examples and the given props."""

    key: str
    subject: str
    category: str | None
    preview: str | None
    html: str
    text: str


class SendTestAnswer(Sent):
    """What became of the test mail."""

    status: str
    emailSendId: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesAdmin:
    """What the routes need. ``is_operator`` knows whose addresses may get test mail."""

    mailer: Mailer
    is_operator: Callable[[str], bool]

    def get_templates(self, req: Request, resp: Response) -> None:
        """Every template of the app and the built-in ones."""
        templates = self.mailer.templates
        found = [templates.get_definition(key) for key in templates.keys()]  # noqa: SIM118
        items: list[JsonValue] = [
            {
                "key": d.key,
                "defaultSubject": d.subject,
                "category": d.category,
                "hasPreview": d.preview is not None,
            }
            for d in found
        ]
        resp.json({"templates": items})

    def get_preview(self, req: Request, resp: Response, key: str) -> None:
        """Writes nothing and tracks nothing. A template that fails is answered 500 with why."""
        query = req.query_model(PreviewQuery)
        definition = self.mailer.templates.get_definition(key)
        try:
            mail = self.mailer.templates.preview(key, _read_props(query.props))
        except TemplateError as error:
            resp.json({"error": error.message}, 500)
            return
        if query.format == "html":
            resp.html(mail.html)
        elif query.format == "text":
            resp.html(mail.text)
            resp.content_type = "text/plain; charset=utf-8"
        else:
            resp.json(
                {
                    "key": key,
                    "subject": mail.subject,
                    "category": definition.category,
                    "preview": mail.preview,
                    "html": mail.html,
                    "text": mail.text,
                }
            )

    def post_send_test(self, req: Request, resp: Response, key: str) -> None:
        """A real mail through the provider, to an operator only, past preferences and caps."""
        definition = self.mailer.templates.get_definition(key)
        body = req.json_model(SendTestBody)
        to = normalize_email(body.to)
        if not self.is_operator(to):
            raise NotAllowed("Test mail goes to operators only")
        result = self.mailer.send(
            SendRequest(
                template=key,
                to=to,
                props={"name": "there", **definition.examples, **body.props},
                category=definition.category or TRANSACTIONAL,
                skip_preference_check=True,
            )
        )
        answer: JsonObject = {
            "status": result.status,
            "emailSendId": str(result.send_id) if result.send_id else "",
        }
        resp.json(answer)


def _read_props(text: str | None) -> dict[str, JsonValue]:
    if not text:
        return {}
    try:
        props = loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_"))
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("props must be a JSON object in base64") from error
    if not isinstance(props, dict):
        raise InvalidInput("props must be a JSON object in base64")
    return props


def routes(api: TemplatesAdmin, guards: Guards) -> list[Route]:
    """The three routes; keys with ``/`` are percent-encoded in paths."""
    guard = guards.admin()
    return [
        Route(method="GET", path=TEMPLATES_PATH, handler=api.get_templates, guard=guard, doc=_LIST),
        Route(method="GET", path=PREVIEW_PATH, handler=api.get_preview, guard=guard, doc=_PREVIEW),
        Route(
            method="POST", path=SEND_TEST_PATH, handler=api.post_send_test, guard=guard, doc=_TEST
        ),
    ]


_NOT_FOUND = {404: "No template has this key"}
_LIST = RouteDoc(
    summary="Mail templates",
    tag=_TAG,
    answers={
        200: Answer(
            description="Own and built-in templates by key",
            model=TemplatesAnswer,
            example={
                "templates": [
                    {
                        "key": "welcome",
                        "defaultSubject": "Welcome",
                        "category": "journey",
                        "hasPreview": True,
                    }
                ]
            },
        )
    },
)
_PREVIEW = RouteDoc(
    summary="Preview a template",
    tag=_TAG,
    description="Filled with its examples and `props` (a JSON object in base64). "
    "`format=html` or `text` answers that body alone.",
    query=PreviewQuery,
    answers={
        200: Answer(
            description="The rendered mail",
            model=PreviewAnswer,
            other_media_types=("text/html", "text/plain"),
            example={
                "key": "welcome",
                "subject": "Welcome, Ada",
                "category": "journey",
                "preview": "Good to have you here.",
                "html": "<!doctype html>…",
                "text": "Welcome, Ada",
            },
        )
    },
    errors={**_NOT_FOUND, 500: "The template does not render; `error` says why"},
)
_TEST = RouteDoc(
    summary="Send a template to yourself",
    tag=_TAG,
    body=SendTestBody,
    body_example={"to": "you@example.com", "props": {"name": "Ada"}},
    answers={
        200: Answer(
            description="Handed to the provider, or why not",
            model=SendTestAnswer,
            example={"status": "sent", "emailSendId": "0199a1f0-5a2b-7c31-9d1e-0c4f6b7a8d90"},
        )
    },
    errors={**_NOT_FOUND, 502: "The mail provider refused"},
)
