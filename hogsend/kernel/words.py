"""Words people mistype."""

from __future__ import annotations

import difflib


def suggest(word: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` when something known is close, else nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
