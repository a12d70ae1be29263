"""What a scope implies."""

from __future__ import annotations

from collections.abc import Iterable

from hogsend.access.models import SCOPES
from hogsend.errors import InvalidInput

_RANKS = {"read": 0, "journey-admin": 1, "full-admin": 2}


def grants(held: frozenset[str], wanted: str) -> bool:
    """True when somebody holding ``held`` may do what ``wanted`` protects.

    ``read`` < ``journey-admin`` < ``full-admin``; ``ingest``, ``accounts`` and ``referrals`` are
    held literally or through ``full-admin``; ``ingest-public`` only literally.
    """
    if wanted in held:
        return True
    if wanted in _RANKS:
        return max((_RANKS[s] for s in held if s in _RANKS), default=-1) >= _RANKS[wanted]
    return wanted != "ingest-public" and "full-admin" in held


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes without repetition, in order; raises InvalidInput for none or unknown ones."""
    unique = tuple(dict.fromkeys(scopes))
    unknown = [scope for scope in unique if scope not in SCOPES]
    if unknown or not unique:
        raise InvalidInput(
            f"unknown scope {unknown[0]!r}" if unknown else "a key needs at least one scope",
            hint=f"scopes are {', '.join(SCOPES)}",
        )
    return unique
