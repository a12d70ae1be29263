"""The two native helpers, imported only when a template needs them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_STYLE = re.compile(r"<style[\s>]", re.IGNORECASE)


def inline_css(html: str) -> str:
    """Move rules of ``<style>`` blocks to the elements; media queries stay in the head.

    Nothing is loaded from the network or from files. Raises ValueError for unreadable CSS.
    """
    if not _STYLE.search(html):
        return html
    inlined: str = _inliner().inline(html)
    return inlined


def compile_mjml(source: str) -> str:
    """MJML to HTML; raises ValueError for malformed markup or when the compiler is missing."""
    try:
        from mjml import mjml2html
    except ImportError as error:
        raise ValueError("the MJML compiler (mjml-python) is not installed") from error
    html: str = mjml2html(source)
    return html


@cache
def _inliner() -> Any:
    from css_inline import CSSInliner

    return CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
