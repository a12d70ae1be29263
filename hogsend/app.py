"""The object a content package defines its journeys on."""

from __future__ import annotations

from pathlib import Path

from hogsend.journeys.definitions import JourneyDefinitions, caller_directory


class App(JourneyDefinitions):
    """Everything one installation runs, collected while the content is imported.

    Defining does no I/O and never raises; ``hogsend`` reports every problem with file and line
    when it loads the app. Mail templates are the files in ``templates`` beside the module, or in
    the directories given here.
    """

    def __init__(self, name: str, *, templates: str | Path | None = None) -> None:
        super().__init__()
        self.name = name
        self._home = caller_directory()
        self._templates = None if templates is None else Path(templates)

    @property
    def template_dirs(self) -> tuple[Path, ...]:
        """Where mail templates are looked for before the built-in ones."""
        if self._templates is not None:
            home = self._home or Path()
            return (home / self._templates,)
        beside = self._home / "templates" if self._home else None
        return (beside,) if beside is not None and beside.is_dir() else ()
