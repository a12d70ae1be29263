"""``/docs``: the OpenAPI document as one page. No script, no second request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow-x:auto;padding:.75rem;border:1px solid #8886;border-radius:6px}
details{border:1px solid #8886;border-radius:6px;margin:.5rem 0}
summary{cursor:pointer;padding:.6rem .75rem;overflow-wrap:anywhere}
details>div{padding:0 .75rem .75rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem .25rem 0}
th,td{border-bottom:1px solid #8883}
td{overflow-wrap:anywhere}
.method{display:inline-block;min-width:4.5rem;font-weight:700}
""".strip()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def render_docs(document: dict[str, Any]) -> str:
    """The whole page."""
    info = document["info"]
    title = escape(info["title"])
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{title}</h1><p>Version {escape(info['version'])}, server ",
            f"<code>{escape(document['servers'][0]['url'])}</code>. Machines read ",
            '<a href="/openapi.json">/openapi.json</a>.</p>',
            *_schemes(document),
            *_tags(document),
            "<h2>Shapes</h2>",
            *_shapes(document),
            "</main></body></html>",
        )
    )


def _schemes(document: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Who may call</h2><table><tbody>"
    for name, scheme in document["components"]["securitySchemes"].items():
        yield f"<tr><th scope=row>{escape(name)}</th><td>{escape(scheme['description'])}</td></tr>"
    yield "</tbody></table>"


def _tags(document: dict[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(path, method, operation)


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary>'
    yield f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code> '
    yield f"{escape(operation['summary'])}</summary><div>"
    if "description" in operation:
        yield f"<p>{escape(operation['description'])}</p>"
    yield f"<p>{escape(_who(operation))}</p>"
    if operation.get("parameters"):
        yield "<h3>Parameters</h3><table><tbody>"
        for parameter in operation["parameters"]:
            needed = "required" if parameter["required"] else "optional"
            about = parameter.get("description") or parameter["schema"].get("description") or ""
            yield (
                f"<tr><th scope=row><code>{escape(parameter['name'])}</code></th>"
                f"<td>{escape(parameter['in'])}, {needed}</td><td>{escape(about)}</td></tr>"
            )
        yield "</tbody></table>"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Body</h3><p>{escape(media_type)}: {_shape(content.get('schema', {}))}</p>"
        yield _example(content)
    yield "<h3>Answers</h3><table><tbody>"
    for status, response in operation["responses"].items():
        shapes = ", ".join(
            _shape(content.get("schema", {})) or escape(media_type)
            for media_type, content in response.get("content", {}).items()
        )
        yield f"<tr><th scope=row>{status}</th><td>{escape(response['description'])}</td>"
        yield f"<td>{shapes}</td></tr>"
    yield "</tbody></table></div></details>"


def _who(operation: dict[str, Any]) -> str:
    ways = [
        f"{name} [{scopes[0]}]" if scopes else name
        for way in operation["security"]
        for name, scopes in way.items()
    ]
    return f"Called with: {', or '.join(ways)}." if ways else "Needs no key."


def _shape(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    return " or ".join(_shape(part) for part in schema.get("anyOf", []))


def _example(content: dict[str, Any]) -> str:
    if "example" not in content:
        return ""
    return f"<pre>{escape(json.dumps(content['example'], indent=2, ensure_ascii=False))}</pre>"


def _shapes(document: dict[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        yield f"<div><pre>{escape(text)}</pre></div></details>"
