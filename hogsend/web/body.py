"""Bodies: bounded, strict JSON, straight into pydantic without an intermediate tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonValue

ModelT = TypeVar("ModelT", bound=BaseModel)

MALFORMED = "Malformed JSON in request body"

# Digits become 0 and E becomes e, so that three plain searches find every number that may be too
# large. About a microsecond for a usual body; one regular expression for all of it took nine.
_SHAPE = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_INTEGER = b"0" * 19
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def read_body(env: Mapping[str, Any], *, limit: int) -> bytes:
    """The request's body; raises InvalidInput ``payload_too_large`` before reading too much."""
    declared = env.get("CONTENT_LENGTH") or "0"
    length = int(declared) if declared.isdigit() else 0
    if length > limit:
        raise payload_too_large(limit)
    if not length:
        return b""
    data: bytes = env["wsgi.input"].read(length)
    return data


def payload_too_large(limit: int) -> InvalidInput:
    """The error for a body above ``limit`` bytes; answered with 413."""
    return InvalidInput(f"Request body is larger than {limit} bytes", code="payload_too_large")


def is_json(content_type: str | None) -> bool:
    """True for ``application/json`` and ``application/*+json``, with or without parameters."""
    if content_type is None:
        return False
    if content_type == "application/json":
        return True
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (
        media.startswith("application/") and media.endswith("+json")
    )


def parse_model(model: type[ModelT], data: bytes, *, content_type: str | None) -> ModelT:
    """Validate JSON bytes; see ``Request.json_model`` for what it raises."""
    if not is_json(content_type):
        raise InvalidInput("Content-Type must be application/json", code="content_type")
    check_json(data)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise InvalidInput(MALFORMED, code="malformed_json") from error
        raise


def parse_query(model: type[ModelT], params: Mapping[str, str | list[str]]) -> ModelT:
    """Validate query parameters in lax mode."""
    flat = {key: value[-1] if isinstance(value, list) else value for key, value in params.items()}
    return model.model_validate(flat, strict=False)


def check_json(data: bytes) -> None:
    """Raise InvalidInput for numbers and characters that cannot be stored."""
    if not _is_suspicious(data):
        return
    try:
        tree = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInput(MALFORMED, code="malformed_json") from error
    check_tree(tree)


def _is_suspicious(data: bytes) -> bool:
    """False for bodies that cannot hold NUL, NaN, infinities or integers beyond 64 bits."""
    if b"\\u0000" in data or b"NaN" in data or b"Infinity" in data:
        return True
    shape = data.translate(_SHAPE)
    return _LONG_INTEGER in shape or b"0e0" in shape or b"0e+0" in shape


def check_tree(value: JsonValue) -> None:
    """As ``check_json`` for what is parsed already."""
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInput("Text must not contain NUL characters", code="malformed_json")
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise InvalidInput("Integers must fit in 64 bits", code="malformed_json")
    elif isinstance(value, float):
        if value - value != 0:  # infinite: the literal is too large for a double
            raise InvalidInput("Numbers must be finite", code="malformed_json")
    elif isinstance(value, list):
        for item in value:
            check_tree(item)
    else:
        for key, item in value.items():
            check_tree(key)
            check_tree(item)
