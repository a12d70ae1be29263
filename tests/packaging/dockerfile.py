"""Reads a Dockerfile as far as ours uses the language; what it does not know it refuses."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_KNOWN = frozenset(
    {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN"}
    | {"STOPSIGNAL", "USER", "WORKDIR"}
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """``name`` in capitals, ``text`` the rest on one line."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell would split it."""
        return shlex.split(self.text)

    @property
    def form(self) -> list[str]:
        """The JSON list of ENTRYPOINT, CMD and HEALTHCHECK; raises for the shell form."""
        found = json.loads(self.text[self.text.index("[") :])
        assert isinstance(found, list)
        return [str(word) for word in found]


Stage = Sequence[Instruction]


def read_stages(file: Path) -> list[Stage]:
    """The instructions of every stage, FROM first; ARGs before the first FROM are left out."""
    stages: list[Stage] = []
    stage: list[Instruction] = []
    for instruction in _instructions(file.read_text("utf-8")):
        assert instruction.name in _KNOWN, f"the test does not know {instruction.name}"
        if instruction.name == "FROM":
            stage = []
            stages.append(stage)
        if stages:
            stage.append(instruction)
    return stages


def only(stage: Stage, name: str) -> Instruction:
    """The one instruction of that name."""
    (found,) = (instruction for instruction in stage if instruction.name == name)
    return found


def environment(stage: Stage) -> dict[str, str]:
    """Every ENV of a stage."""
    words = [word for i in stage if i.name == "ENV" for word in i.words]
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield Instruction(name.upper(), rest.strip())
