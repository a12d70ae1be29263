"""Which names of events belong to Hogsend."""

from __future__ import annotations

import re

_RESERVED = re.compile(r"(?:email|journey|bucket|contact|deal|funnel)[.:]")


def is_reserved(name: str) -> bool:
    """True for names that tell of what Hogsend itself did or saw: nobody on the open internet may
    fake them. Servers may send them, for instance when they move from another installation."""
    return _RESERVED.match(name) is not None
