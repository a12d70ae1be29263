"""What can be wrong with a template."""

from __future__ import annotations

from collections.abc import Iterable

from hogsend.errors import HogsendError, NotFound
from hogsend.kernel.words import suggest


class TemplateError(HogsendError):
    """A template could not be rendered; nothing was sent.

    ``template`` is the key, ``line`` counts from 1 in the file that failed (None when unknown),
    ``variable`` names the missing property when that was the cause.
    """

    default_code = "template_error"

    def __init__(
        self,
        template: str,
        problem: str,
        *,
        file: str | None = None,
        line: int | None = None,
        variable: str | None = None,
    ) -> None:
        where = f"{file or template}, line {line}" if line else (file or template)
        super().__init__(
            f"template {template!r} failed ({where}): {problem}",
            hint=f"pass the property {variable!r} or give it a default" if variable else None,
            context={"template": template, "file": file, "line": line, "variable": variable},
        )
        self.template = template
        self.line = line
        self.variable = variable


class UnknownTemplate(NotFound):
    """No template has this key; the hint lists the keys that exist."""

    default_code = "template_not_found"

    def __init__(self, key: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"no mail template is called {key!r}{suggest(key, names)}",
            hint=f"known templates: {', '.join(names) or 'none'}",
            context={"template": key},
        )
