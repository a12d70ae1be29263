"""The public description of the API, made from the routes and the models that validate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from hogsend.web.describe import Answer, DescribedGuard, RouteDoc, Security
from hogsend.web.fields import BadRequestAnswer, ErrorAnswer
from hogsend.web.route import Route

API_TITLE = "Hogsend API"
API_VERSION = "0.0.1"
_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_JSON = "application/json"

JsonDict = dict[str, Any]
Key = tuple[type[BaseModel], JsonSchemaMode]

_LIMIT_HEADERS = {
    "X-RateLimit-Limit": "Calls a key may make in a minute",
    "X-RateLimit-Remaining": "Calls that are left",
}
_RETRY = {"Retry-After": "Seconds after which it is worth trying again"}
_SCHEMES: JsonDict = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A secret key (`hsk_…`) of a server. Names in brackets are the scope it "
        "needs.",
    },
    "publishableKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key for pages (`pk_…`), accepted from its own origins only. It acts for "
        "nobody without a `userToken`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "better-auth.session_token",
        "description": "A signed-in administrator.",
    },
}
_SECURITY: Mapping[Security, tuple[str, ...]] = {
    "open": (),
    "signature": (),
    "link": (),
    "secret": ("apiKey",),
    "browser": ("apiKey", "publishableKey"),
    "admin": ("apiKey", "session"),
}


def build_openapi(routes: Iterable[Route], *, server_url: str) -> JsonDict:
    """The OpenAPI 3.1 document of every route that has a ``doc``."""
    documented = [(route, route.doc) for route in routes if route.doc is not None]
    names, schemas = _schemas([doc for _, doc in documented])
    paths: dict[str, JsonDict] = {}
    for route, doc in documented:
        operation = _operation(route, doc, names)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": API_TITLE, "version": API_VERSION},
        "servers": [{"url": server_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(doc.tag for _, doc in documented)],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def statuses_of(route: Route, doc: RouteDoc) -> dict[int, Answer]:
    """Every status the route can answer with, the implied ones included."""
    found: dict[int, Answer] = {}
    is_query_strict = doc.query is not None and not doc.is_query_tolerant
    if is_query_strict or (doc.body is not None and doc.body_media_type == _JSON):
        found[400] = Answer(
            description="The request does not fit its schema, or names nobody",
            model=BadRequestAnswer,
        )
    guard: object = route.guard
    if isinstance(guard, DescribedGuard) and guard.security != "open":
        found[401] = _refusal("The key is missing, unknown, revoked or expired")
        found[403] = _refusal("The key may not do this, or not from here, or not for this person")
        found[429] = _refusal("Too many calls, or too many wrong keys", headers=_RETRY)
    if doc.is_replayed:
        found[409] = _refusal("The `Idempotency-Key` was used for another request")
    if doc.body is not None:
        found[413] = _refusal("The body is too large")
    if doc.query is not None:
        found[431] = _refusal("The address with its query is too long for this server")
    if doc.uses_database:
        found[503] = _refusal("The database does not answer", headers=_RETRY)
    for status, meaning in doc.errors.items():
        before = found.get(status)
        text = meaning if before is None else f"{before.description}. {meaning}"
        headers = _RETRY if status in (429, 503) else {}
        found[status] = _refusal(text, headers=headers)
    return dict(sorted({**found, **doc.answers}.items()))


def _refusal(description: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(description=description, model=ErrorAnswer, headers=headers or {})


def _schemas(docs: Iterable[RouteDoc]) -> tuple[dict[Key, str], JsonDict]:
    """Names and definitions of every model; names are made unique by pydantic."""
    keys: dict[Key, None] = {
        (ErrorAnswer, "serialization"): None,
        (BadRequestAnswer, "serialization"): None,
    }
    for doc in docs:
        for model in (doc.body, doc.query):
            if model is not None:
                keys[(model, "validation")] = None
        for answer in doc.answers.values():
            if answer.model is not None:
                keys[(answer.model, "serialization")] = None
    refs, definitions = models_json_schema(list(keys), ref_template=_REF)
    names: dict[Any, str] = {key: ref["$ref"].rsplit("/", 1)[1] for key, ref in refs.items()}
    found: JsonDict = definitions.get("$defs", {})
    return names, found


def _operation(route: Route, doc: RouteDoc, names: Mapping[Key, str]) -> JsonDict:
    operation: JsonDict = {
        "operationId": _operation_id(route),
        "summary": doc.summary,
        "tags": [doc.tag],
        "security": _security(route, doc),
        "responses": {
            str(status): _response(route, status, answer, names)
            for status, answer in statuses_of(route, doc).items()
        },
    }
    if doc.description:
        operation["description"] = doc.description
    parameters = [*_path_parameters(route, doc), *_query_parameters(doc)]
    if doc.is_replayed:
        parameters.append(_idempotency_header())
    if parameters:
        operation["parameters"] = parameters
    if doc.body is not None:
        content: JsonDict = {"schema": {"$ref": _ref(names, doc.body, "validation")}}
        if doc.body_example is not None:
            content["example"] = doc.body_example
        operation["requestBody"] = {
            "required": doc.is_body_required,
            "content": {doc.body_media_type: content},
        }
    return operation


def _operation_id(route: Route) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", route.path.removeprefix("/v1")).strip("_")
    return f"{route.method.lower()}_{words}"


def _security(route: Route, doc: RouteDoc) -> list[JsonDict]:
    guard: object = route.guard
    if isinstance(guard, DescribedGuard):
        kind, scope = guard.security, guard.scope
    else:
        kind, scope = doc.security or "open", ""
    return [{name: [scope] if name == "apiKey" and scope else []} for name in _SECURITY[kind]]


def _path_parameters(route: Route, doc: RouteDoc) -> list[JsonDict]:
    found = []
    for name in _PARAMETER.findall(route.path):
        schema: JsonDict = {"type": "string", "minLength": 1}
        if name in doc.path_formats:
            schema["format"] = doc.path_formats[name]
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    return found


def _query_parameters(doc: RouteDoc) -> list[JsonDict]:
    if doc.query is None:
        return []
    schema = doc.query.model_json_schema(by_alias=True, ref_template=_REF)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
        for name, part in schema.get("properties", {}).items()
    ]


def _without_null(schema: JsonDict) -> JsonDict:
    """A query string cannot say null; absent is what it means."""
    options = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in ("anyOf", "title", "default")}
    return {**rest, **options[0]} if len(options) == 1 else {**rest, **_any_of(options)}


def _any_of(options: list[JsonDict]) -> JsonDict:
    return {"anyOf": options} if options else {}


def _idempotency_header() -> JsonDict:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key and body again get the first answer, for a day.",
        "schema": {"type": "string", "maxLength": 512},
    }


def _response(route: Route, status: int, answer: Answer, names: Mapping[Key, str]) -> JsonDict:
    response: JsonDict = {"description": answer.description}
    headers = dict(answer.headers)
    if getattr(route.guard, "is_limited", False) and status not in (401, 403):
        headers = _LIMIT_HEADERS | headers
    if headers:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    if answer.media_type is None:
        return response
    content: JsonDict = {}
    if answer.model is not None:
        content["schema"] = {"$ref": _ref(names, answer.model, "serialization")}
    elif answer.media_type == _JSON:
        content["schema"] = {}
    if answer.example is not None:
        content["example"] = answer.example
    response["content"] = {answer.media_type: content} | {
        media_type: {} for media_type in answer.other_media_types
    }
    return response


def _ref(names: Mapping[Key, str], model: type[BaseModel], mode: JsonSchemaMode) -> str:
    return _REF.format(model=names[(model, mode)])
