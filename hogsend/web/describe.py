"""What a route says about itself; ``web/openapi.py`` turns it into the public description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

# Who may call. ``browser``: publishable keys from their origins, and secret keys. ``signature``:
# the caller signs the request in its own way. ``link``: a token in the address.
Security = Literal["open", "secret", "browser", "admin", "signature", "link"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One status a route answers with.

    ``model`` describes a JSON body; ``media_type`` of another kind has no model, None is no body.
    ``example`` is JSON. ``headers`` maps names to what they mean.
    """

    description: str
    model: type[BaseModel] | None = None
    media_type: str | None = "application/json"
    other_media_types: tuple[str, ...] = ()
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDoc:
    """The public description of a route.

    ``body`` and ``query`` are the models that validate (a tolerant query refuses nothing). Path
    parameters are strings unless ``path_formats`` names a format (``uuid``). ``answers`` are the
    successes and refusals of another form; ``errors`` the statuses of this route's own refusals
    with what they mean. What every guard, body and query can answer (400, 401, 403, 413, 429) and
    503 are added by ``web/openapi.py``. ``security`` is for routes without a guard of ours.
    """

    summary: str
    tag: str
    answers: Mapping[int, Answer]
    description: str = ""
    body: type[BaseModel] | None = None
    body_example: Any = None
    body_media_type: str = "application/json"
    is_body_required: bool = True
    query: type[BaseModel] | None = None
    is_query_tolerant: bool = False
    path_formats: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    is_replayed: bool = False
    security: Security | None = None
    uses_database: bool = True


@runtime_checkable
class DescribedGuard(Protocol):
    """A guard that says whom it lets pass."""

    @property
    def security(self) -> Security:
        """Who may call."""
        ...

    @property
    def scope(self) -> str:
        """The scope a secret key needs; empty when none."""
        ...

    @property
    def is_limited(self) -> bool:
        """True when calls are counted and 429 is possible."""
        ...
