"""The object a content package defines its journeys on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, Unpack

from hogsend.conversions.checks import check_fields as check_conversion
from hogsend.conversions.definitions import ConversionDefinition, ConversionFields, in_force
from hogsend.journeys.definitions import JourneyDefinitions, Problem, caller_directory, caller_place
from hogsend.journeys.effects.functions import Action, FunctionConnector, check_connector
from hogsend.kernel.words import suggest
from hogsend.preferences.lists import ListDefinition, problems_of

Problems: TypeAlias = list[Problem]  # inside App, ``list`` is the method


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
        self._lists: dict[str, ListDefinition] = {}
        self._conversions: dict[str, ConversionDefinition] = {}
        self._connectors: dict[str, FunctionConnector] = {}

    @property
    def lists(self) -> tuple[ListDefinition, ...]:
        """Every well-defined list, in the order of the source."""
        return tuple(self._lists.values())

    def list(
        self,
        id: str,
        *,
        name: str,
        description: str | None = None,
        default_opt_in: bool = True,
        enabled: bool = True,
        double_opt_in: bool = False,
    ) -> ListDefinition:
        """Declare a list people can join and leave; its id is the category of its mail.

        ``default_opt_in`` False: only people who said yes get it. With ``double_opt_in`` they say
        so twice: joining sends a mail, and counts when its link was followed.
        """
        found = ListDefinition(
            id=id,
            name=name,
            description=description,
            default_opt_in=default_opt_in,
            enabled=enabled,
            double_opt_in=double_opt_in,
        )
        problems = problems_of(found)
        if not problems and any(known.lower() == id.lower() for known in self._lists):
            problems = ["the id is taken"]
        place = caller_place()
        self._problems += [Problem(place=place, message=f"list {id!r}: {p}") for p in problems]
        if not problems:
            self._lists[id] = found
        return found

    @property
    def conversions(self) -> tuple[ConversionDefinition, ...]:
        """Every well-defined conversion, in the order of the source."""
        return tuple(self._conversions.values())

    def conversion(self, **fields: Unpack[ConversionFields]) -> None:
        """Declare an event that counts as a success, for ``goal`` and readouts; see
        ConversionFields."""
        found = check_conversion(fields)
        if isinstance(found, ConversionDefinition):
            if all(known.lower() != found.id.lower() for known in self._conversions):
                self._conversions[found.id] = found
                return
            found = ["the id is taken"]
        place, name = caller_place(), f"conversion {fields.get('id')!r}"
        self._problems += [Problem(place=place, message=f"{name}: {p}") for p in found]

    @property
    def connectors(self) -> Mapping[str, FunctionConnector]:
        """Every well-defined connector by name."""
        return self._connectors

    def connector(self, name: str, **actions: Action) -> None:
        """Declare something outside that journeys can tell to do things:
        ``await ctx.connector(name).call(action, args)``.

        Each action is a plain function of one ConnectorCall (``args``, ``enrollment``, and ``key``,
        which is the same on every try: nothing may happen twice for one key).
        """
        problems = check_connector(name, actions)
        if not problems and name in self._connectors:
            problems = ["the name is taken"]
        place = caller_place()
        self._problems += [
            Problem(place=place, message=f"connector {name!r}: {p}") for p in problems
        ]
        if not problems:
            self._connectors[name] = FunctionConnector(dict(actions))

    def _cross_checked(self, *, default_revenue: bool) -> Problems:
        return [*self._check_categories(), *self._check_goals(default_revenue)]

    def _check_goals(self, default_revenue: bool) -> Problems:
        """The goal of a journey is a conversion that is recorded."""
        known = sorted(in_force(self.conversions, default_revenue=default_revenue))
        return [
            Problem(
                place=journey.place,
                message=f"journey {journey.meta.id!r}: no conversion is called "
                f"{journey.meta.goal!r}{suggest(journey.meta.goal, known)}; known: "
                f"{', '.join(known) or 'none'}",
            )
            for journey in self.journeys.values()
            if journey.meta.goal is not None and journey.meta.goal not in known
        ]

    def _check_categories(self) -> Problems:
        """The category of a journey's mail is a list people can leave, or a reserved one."""
        allowed = {*self._lists, "transactional", "journey"}
        return [
            Problem(
                place=journey.place,
                message=f"journey {journey.meta.id!r}: no list is called {journey.meta.category!r}"
                f"{suggest(journey.meta.category, sorted(allowed))}; known: "
                f"{', '.join(sorted(allowed))}",
            )
            for journey in self.journeys.values()
            if journey.meta.category is not None and journey.meta.category not in allowed
        ]

    @property
    def template_dirs(self) -> tuple[Path, ...]:
        """Where mail templates are looked for before the built-in ones."""
        if self._templates is not None:
            home = self._home or Path()
            return (home / self._templates,)
        beside = self._home / "templates" if self._home else None
        return (beside,) if beside is not None and beside.is_dir() else ()
