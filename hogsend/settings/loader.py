"""Turns an environment into settings, or into one error that names every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hogsend.errors import ConfigError
from hogsend.settings.checks import find_contradictions
from hogsend.settings.declare import Mode, Setting, settings_of
from hogsend.settings.model import Settings

HEADING = "Invalid environment variables"


def load(environ: Mapping[str, str], *, mode: Mode) -> Settings:
    """Validate ``environ`` for one mode; an empty value counts as unset, unknown ones as absent.

    Secrets may come from the file that ``NAME_FILE`` names. Raises ConfigError whose message is
    the heading and one ``NAME: …`` line per problem; ``context["problems"]`` has the lines.
    """
    reading = _Reading(environ=environ, mode=mode)
    values = {declared.attribute: reading.value(declared) for declared in settings_of(Settings)}
    _choose_orchestrator(values, reading)
    settings = Settings(
        mode=mode,
        provided=frozenset(reading.provided),
        notes=(*reading.notes, *_planned_notes(reading.provided)),
        **values,
    )
    # A contradiction between values that did not parse would only repeat the first problem.
    problems = reading.problems + [
        problem
        for problem in find_contradictions(settings)
        if problem.split(":")[0] not in reading.failed
    ]
    if problems:
        raise ConfigError(
            "\n  ".join([f"{HEADING}:", *problems]), context={"problems": tuple(problems)}
        )
    return settings


@dataclass(slots=True)
class _Reading:
    environ: Mapping[str, str]
    mode: Mode
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    provided: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def value(self, declared: Setting) -> Any:
        """The parsed value, or the default where nothing usable is set."""
        name, text = self._find(declared)
        if text is None:
            if self.mode in declared.required:
                self._fail(name, f"is required by {self.mode}; set it to {declared.kind.expects}")
            return declared.default
        self.provided.add(name)
        try:
            return declared.kind.parse(text)
        except ValueError:
            if declared.is_lenient:
                self.notes.append(
                    f"{name} is ignored: it must be {declared.kind.expects}; "
                    f"using {declared.default}"
                )
            elif self.mode in declared.modes:
                self._fail(name, f"is invalid; it must be {declared.kind.expects}")
            return declared.default

    def _find(self, declared: Setting) -> tuple[str, str | None]:
        for name in (declared.name, *declared.aliases):
            direct = self.environ.get(name) or None
            path = self.environ.get(f"{name}_FILE") or None if declared.is_secret else None
            if direct is not None and path is not None:
                if self.mode in declared.modes:
                    self._fail(name, f"is set twice; remove {name} or {name}_FILE")
                return name, direct
            if direct is not None:
                return name, direct
            if path is not None:
                return name, self._read(name, path, is_used=self.mode in declared.modes)
        return declared.name, None

    def _read(self, name: str, path: str, *, is_used: bool) -> str | None:
        if not is_used:
            return None
        try:
            text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._fail(name, f"{name}_FILE cannot be read ({reason}); name a readable file")
            return None
        if not text:
            self._fail(name, f"{name}_FILE names an empty file; put the value into it")
            return None
        return text

    def _fail(self, name: str, problem: str) -> None:
        # An alias is read by two settings; its problem is told once.
        if name not in self.failed:
            self.problems.append(f"{name}: {problem}")
        self.failed.add(name)


def _choose_orchestrator(values: dict[str, Any], reading: _Reading) -> None:
    is_open = "HOGSEND_ORCHESTRATOR" not in reading.provided
    if reading.mode == "supervisor" and is_open and not values["hatchet_client_token"]:
        values["orchestrator"] = "local"


def _planned_notes(provided: Iterable[str]) -> list[str]:
    planned = {declared.name for declared in settings_of(Settings) if declared.is_planned}
    unused = sorted(planned.intersection(provided))
    return [f"set, but without effect in this version: {', '.join(unused)}"] if unused else []
