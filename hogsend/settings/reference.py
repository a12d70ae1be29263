"""The settings as a page of documentation, generated from their declarations."""

from __future__ import annotations

from collections.abc import Iterator

from hogsend.settings.declare import MODES, Setting, settings_of
from hogsend.settings.model import Settings

_INTRO = """\
# Environment

<!-- Written by `hogsend config docs --write`; edit the declarations in hogsend/settings. -->

Every setting is an environment variable; no mode reads a file of settings. An empty value counts
as unset, unknown variables are ignored. Check an environment before using it:

```
hogsend config check --mode api
```

All problems are reported together, each with its remedy, and the exit code is 1.

- **Modes**: who uses the variable; only they refuse an invalid value. **bold** means required.
- **Secrets** (🔒) may come from a file: `BETTER_AUTH_SECRET_FILE=/run/secrets/auth`, and so on for
  each. They never appear in logs or in `hogsend config show`.
- Names that end in `_SECONDS` or `_MS` take plain numbers.
"""
_PLANNED_INTRO = """\
These belong to features that this version does not have. A wrong value is refused, so that a typo
shows early; a boot warning names those that are set; nothing else happens.
"""


def render_reference() -> str:
    """Markdown with one table per group, in declaration order."""
    groups: dict[str, list[Setting]] = {}
    for declared in settings_of(Settings):
        groups.setdefault(declared.group, []).append(declared)
    return "\n".join([_INTRO, *(_section(name, found) for name, found in groups.items())])


def _section(name: str, found: list[Setting]) -> str:
    lines = [f"## {name}", ""]
    if all(declared.is_planned for declared in found):
        lines += [_PLANNED_INTRO]
    lines += ["| Variable | Value | Default | Modes | |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_row(declared) for declared in found), ""])


def _row(declared: Setting) -> str:
    name = f"`{declared.name}`" + (" 🔒" if declared.is_secret else "")
    aliases = [f"`{alias}`" for alias in declared.aliases]
    doc = declared.doc + (f" Else {', '.join(aliases)}." if aliases else "")
    cells = (name, declared.kind.expects, _default(declared), ", ".join(_modes(declared)), doc)
    return f"| {' | '.join(cells)} |"


def _default(declared: Setting) -> str:
    value = declared.default
    if value is None or value in ((), ""):
        return "–"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text.removesuffix('.0')}`"


def _modes(declared: Setting) -> Iterator[str]:
    for mode in MODES:
        if mode in declared.required:
            yield f"**{mode}**"
        elif mode in declared.modes:
            yield mode
