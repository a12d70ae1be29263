"""What a template may be given: declared in its front matter, checked by pydantic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from hogsend.errors import ConfigError, InvalidInput
from hogsend.kernel.addresses import is_email
from hogsend.kernel.wire_json import JsonValue, loads

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", "hogsend"})
_CONFIG = ConfigDict(extra="allow", coerce_numbers_to_str=True)


def _url(value: str) -> str:
    """No ``javascript:`` and no ``data:`` ever becomes a link, whoever filled the property."""
    if any(ord(ch) < 33 or ord(ch) == 127 for ch in value):
        raise ValueError("a URL holds no blanks or control characters")
    if urlsplit(value).scheme.lower() not in _SCHEMES:
        raise ValueError(f"a URL begins with one of {', '.join(sorted(_SCHEMES))}")
    return value


def _email(value: str) -> str:
    if not is_email(value):
        raise ValueError("not an email address")
    return value


_TYPES: dict[str, Any] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "url": Annotated[str, AfterValidator(_url)],
    "email": Annotated[str, AfterValidator(_email)],
    "object": dict[str, Any],
    "any": Any,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PropsModel:
    """Declared properties of one template. ``names`` are all of them, ``required`` must be passed.

    A property that was declared with ``?`` in a typed declaration is None when missing; one of
    the untyped one-line form is undefined.
    """

    names: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    model: type[BaseModel] | None = None

    def check(self, template: str, props: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The properties with defaults filled in; others pass unchanged.

        Raises InvalidInput, ``missing_template_props`` or ``invalid_template_props``.
        """
        missing = [name for name in self.required if name not in props]
        if missing:
            raise InvalidInput(
                f"template {template!r} needs {', '.join(missing)}",
                code="missing_template_props",
                hint="pass them as props",
                context={"template": template, "missing": missing},
            )
        if self.model is None:
            return dict(props)
        try:
            return self.model.model_validate(dict(props)).model_dump()
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}"
                for issue in error.errors(include_url=False, include_input=False)
            )
            raise InvalidInput(
                f"template {template!r} was given wrong properties: {problems}",
                code="invalid_template_props",
                context={"template": template},
            ) from error


def parse_props(text: str, *, file: str) -> PropsModel:
    """``name?, ctaUrl`` on one line, or one typed declaration a line; raises ConfigError.

    Typed: ``name: text = "there"``, ``steps: list of text = []``, ``upgradeUrl?: url``,
    ``stats: list of {label: text, value: text, change?: text}``.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or (len(lines) == 1 and ":" not in lines[0]):
        names = [name.strip() for name in text.split(",") if name.strip()]
        return PropsModel(
            names=tuple(name.removesuffix("?") for name in names),
            required=tuple(name for name in names if not name.endswith("?")),
        )
    fields: dict[str, Any] = {}
    for line in lines:
        if line.startswith("#"):
            continue
        name, annotation, default = _declare(line, file=file)
        if name in fields:
            raise ConfigError(f"{file}: the property {name!r} is declared twice")
        fields[name] = (annotation, default)
    return PropsModel(
        names=tuple(fields),
        required=tuple(name for name, (_, default) in fields.items() if default is ...),
        model=create_model("Props", __config__=_CONFIG, **fields),
    )


def from_model(model: type[BaseModel]) -> PropsModel:
    """A model an author wrote in Python."""
    return PropsModel(
        names=tuple(model.model_fields),
        required=tuple(n for n, field in model.model_fields.items() if field.is_required()),
        model=model,
    )


def _declare(line: str, *, file: str) -> tuple[str, Any, Any]:
    name, colon, rest = line.partition(":")
    kind, equals, value = _split_default(rest)
    is_optional = name.strip().endswith("?")
    name = name.strip().removesuffix("?").strip()
    if not colon or _NAME.fullmatch(name) is None:
        raise _wrong(file, line)
    annotation = _parse_type(kind, line=line, file=file)
    if is_optional:
        return name, annotation | None if annotation is not Any else Any, None
    if not equals:
        return name, annotation, ...
    try:
        default = loads(value.strip())
    except ValueError as error:
        raise ConfigError(
            f"{file}: the default in {line!r} is not JSON", hint='write texts in "double quotes"'
        ) from error
    return name, annotation, Field(default=default, validate_default=True)


def _split_default(rest: str) -> tuple[str, bool, str]:
    kind, equals, value = rest.partition("=")
    return kind.strip(), bool(equals), value


def _parse_type(kind: str, *, line: str, file: str) -> Any:
    if kind.startswith("list of "):
        inner = _parse_type(kind.removeprefix("list of ").strip(), line=line, file=file)
        return list.__class_getitem__(inner)
    if kind.startswith("{") and kind.endswith("}"):
        fields: dict[str, Any] = {}
        for part in kind[1:-1].split(","):
            name, annotation, default = _declare(part.strip(), file=file)
            fields[name] = (annotation, default)
        return create_model("Entry", __config__=_CONFIG, **fields)
    if kind not in _TYPES:
        raise _wrong(file, line)
    return _TYPES[kind]


def _wrong(file: str, line: str) -> ConfigError:
    return ConfigError(
        f"{file}: {line!r} does not declare a property",
        hint=f"write `name: type = default` with one of {', '.join(_TYPES)}, or `list of` one",
    )
