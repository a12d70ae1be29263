"""Jinja in a sandbox, then MJML and CSS inlining where a template asks for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, Template, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hogsend.email.templates.errors import TemplateError
from hogsend.email.templates.html import compile_mjml, inline_css
from hogsend.email.templates.models import RenderedMail, TemplateDefinition
from hogsend.email.templates.plain_text import html_to_text
from hogsend.errors import ConfigError
from hogsend.kernel.wire_json import JsonValue

_UNDEFINED = re.compile(r"'([^']+)' is undefined|has no (?:attribute|element) '?([^'\s]+)'?")
_SUFFIXES = (".html", ".mjml", ".txt")


def build_environment(loader: BaseLoader) -> ImmutableSandboxedEnvironment:
    """The environment all templates share: escaping on, missing variables are errors."""
    return ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=lambda name: name is None or not name.endswith(".txt"),
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=-1,
    )


class Renderer:
    """Compiled templates of one registry; pure, no I/O after construction."""

    def __init__(
        self,
        environment: ImmutableSandboxedEnvironment,
        definitions: Iterable[TemplateDefinition],
    ) -> None:
        plain = environment.overlay(autoescape=False)
        self._subjects: dict[str, Template] = {}
        self._previews: dict[str, Template] = {}
        self._bodies: dict[str, Template] = {}
        self._texts: dict[str, Template] = {}
        for definition in definitions:
            file = f"{definition.key}.{definition.kind}"
            try:
                self._subjects[definition.key] = plain.from_string(definition.subject)
                self._previews[definition.key] = plain.from_string(definition.preview or "")
                self._bodies[definition.key] = environment.get_template(file)
                if definition.has_text:
                    file = f"{definition.key}.txt"
                    self._texts[definition.key] = environment.get_template(file)
            except TemplateSyntaxError as error:
                raise ConfigError(
                    f"template {error.filename or file}, line {error.lineno}: {error.message}"
                ) from error

    def render(
        self,
        definition: TemplateDefinition,
        props: Mapping[str, JsonValue],
        *,
        subject: str | None,
    ) -> RenderedMail:
        """See TemplateRegistry.render."""
        given = definition.props.check(definition.key, props)
        key = definition.key
        title = subject if subject is not None else _run(key, self._subjects[key], given)
        title = _one_line(title)
        preview = _one_line(_run(key, self._previews[key], given)) or None
        variables: dict[str, Any] = {"subject": title, "preview": preview, **given}
        html = self._render_html(definition, variables)
        text = _run(key, self._texts[key], variables) if definition.has_text else html_to_text(html)
        return RenderedMail(
            subject=title, html=html, text=text, category=definition.category, preview=preview
        )

    def _render_html(self, definition: TemplateDefinition, variables: Mapping[str, Any]) -> str:
        body = _run(definition.key, self._bodies[definition.key], variables).strip()
        try:
            return inline_css(compile_mjml(body) if definition.kind == "mjml" else body)
        except ValueError as error:
            raise TemplateError(
                definition.key, str(error), file=f"{definition.key}.{definition.kind}"
            ) from error


def _run(key: str, template: Template, variables: Mapping[str, Any]) -> str:
    try:
        return template.render(variables)
    except Exception as error:  # whatever the author's template does, the mail is not sent
        file, line = _locate(error, template.name)
        raise TemplateError(
            key, str(error) or type(error).__name__, file=file, line=line, variable=_missing(error)
        ) from error


def _missing(error: Exception) -> str | None:
    match = _UNDEFINED.search(str(error)) if isinstance(error, UndefinedError) else None
    return (match.group(1) or match.group(2)) if match else None


def _locate(error: Exception, name: str | None) -> tuple[str | None, int | None]:
    """File and line of the innermost template frame; Jinja rewrites tracebacks to show them."""
    if isinstance(error, TemplateSyntaxError):
        return error.filename, error.lineno
    file, line = (name, None) if name else ("subject", None)
    frame = error.__traceback__
    while frame is not None:
        seen = frame.tb_frame.f_code.co_filename
        if seen.endswith(_SUFFIXES):
            file, line = seen, frame.tb_lineno
        frame = frame.tb_next
    return file, line


def _one_line(text: str) -> str:
    """Header-safe: runs of white space, CR and LF included, become one space."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
