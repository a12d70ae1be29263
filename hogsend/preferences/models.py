"""What a person allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The sum of every preference row of an address and its contact; one refusal is enough.

    ``suppressed``: the address bounced or complained. ``unsubscribed``: no mail at all.
    ``category_refused``: not this category.
    """

    suppressed: bool = False
    unsubscribed: bool = False
    category_refused: bool = False
