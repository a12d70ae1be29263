"""All templates by key, checked once when the process starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from jinja2 import Environment
from pydantic import BaseModel

from hogsend.email.templates.errors import UnknownTemplate
from hogsend.email.templates.loader import FirstOf, TemplateSource, open_sources
from hogsend.email.templates.models import BodyKind, RenderedMail, TemplateDefinition
from hogsend.email.templates.props import from_model, parse_props
from hogsend.email.templates.render import Renderer, build_environment
from hogsend.errors import ConfigError
from hogsend.kernel.wire_json import JsonObject, JsonValue, loads

_PREVIEW_LINKS = ("unsubscribe_url", "unsubscribeUrl", "preferences_url", "preferencesUrl")
_PREVIEW_URL = "https://example.com/{}"
_BODY_SUFFIXES: dict[str, BodyKind] = {".html": "html", ".mjml": "mjml"}


class TemplateRegistry:
    """Finds and renders templates; immutable after construction and safe in any thread.

    Earlier sources win over later ones, key by key. Every template is compiled here, so a syntax
    error stops the process (ConfigError) instead of a mail.
    """

    def __init__(
        self,
        sources: Sequence[TemplateSource],
        *,
        models: Mapping[str, type[BaseModel]] | None = None,
    ) -> None:
        environment = build_environment(FirstOf(sources))
        self._definitions = _discover(environment, sources)
        for key, model in (models or {}).items():
            definition = self.get_definition(key)
            self._definitions[key] = replace(definition, props=from_model(model))
        self._renderer = Renderer(environment, self._definitions.values())

    @classmethod
    def load(
        cls,
        directories: Sequence[Path] = (),
        *,
        models: Mapping[str, type[BaseModel]] | None = None,
    ) -> TemplateRegistry:
        """Content directories first, then the built-in templates; reads every file.

        ``models`` are pydantic models of properties by template key; they replace declarations in
        the front matter.
        """
        return cls(open_sources(directories), models=models)

    def keys(self) -> list[str]:
        """Every key, sorted."""
        return sorted(self._definitions)

    def get_definition(self, key: str) -> TemplateDefinition:
        """What the files say about a template; raises UnknownTemplate naming the known keys."""
        try:
            return self._definitions[key]
        except KeyError:
            raise UnknownTemplate(key, self._definitions) from None

    def render(
        self, key: str, props: Mapping[str, JsonValue], *, subject: str | None = None
    ) -> RenderedMail:
        """Subject, HTML and plain text; ``subject`` replaces the template's own.

        Raises UnknownTemplate, InvalidInput for missing required properties and TemplateError
        with file, line and variable.
        """
        return self._renderer.render(self.get_definition(key), props, subject=subject)

    def preview(self, key: str, props: Mapping[str, JsonValue] | None = None) -> RenderedMail:
        """The template filled with its examples, and with stand-ins where those are silent."""
        definition = self.get_definition(key)
        given: dict[str, JsonValue] = {
            "name": "there",
            "email": "you@example.com",
            "journeyName": key,
            "eventName": key,
            "body": "This is where the body stands.",
            **{name: _PREVIEW_URL.format(name) for name in _PREVIEW_LINKS},
            **definition.examples,
            **(props or {}),
        }
        return self.render(key, given)


def _discover(
    environment: Environment, sources: Sequence[TemplateSource]
) -> dict[str, TemplateDefinition]:
    definitions: dict[str, TemplateDefinition] = {}
    for source in sources:
        for key, definition in _read_source(environment, source).items():
            definitions.setdefault(key, definition)
    return definitions


def _read_source(environment: Environment, source: TemplateSource) -> dict[str, TemplateDefinition]:
    paths = [PurePosixPath(name) for name in source.list_templates()]
    visible = [p for p in paths if not any(part.startswith(("_", ".")) for part in p.parts)]
    bodies = [p for p in visible if p.suffix in _BODY_SUFFIXES]
    texts = {str(p.with_suffix("")) for p in visible if p.suffix == ".txt"}
    found: dict[str, TemplateDefinition] = {}
    for path in bodies:
        key = str(path.with_suffix(""))
        if key in found:
            raise ConfigError(
                f"template {key!r} has both an .html and an .mjml file", hint="keep one of them"
            )
        fields = source.split(environment, str(path)).fields
        found[key] = _define(path, fields, has_text=key in texts)
    if lonely := sorted(texts - set(found)):
        raise ConfigError(
            f"{lonely[0]}.txt has no {lonely[0]}.html or .mjml beside it",
            hint="the plain-text file is an alternative to an HTML body",
        )
    return found


def _define(
    path: PurePosixPath, fields: Mapping[str, str], *, has_text: bool
) -> TemplateDefinition:
    if not fields.get("subject"):
        raise ConfigError(
            f"template {path} has no subject",
            hint="begin the file with a block such as ---, subject: Welcome, ---",
        )
    props = parse_props(fields.get("props", ""), file=str(path))
    return TemplateDefinition(
        key=str(path.with_suffix("")),
        subject=fields["subject"],
        category=fields.get("category") or None,
        preview=fields.get("preview") or None,
        props=props,
        examples=_examples(fields.get("examples", ""), file=str(path)),
        kind=_BODY_SUFFIXES[path.suffix],
        has_text=has_text,
    )


def _examples(text: str, *, file: str) -> JsonObject:
    if not text.strip():
        return {}
    try:
        examples = loads(text)
    except ValueError:
        examples = None
    if not isinstance(examples, dict):
        raise ConfigError(f"{file}: examples are not a JSON object")
    return examples
