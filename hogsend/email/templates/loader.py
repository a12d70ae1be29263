"""Where template files come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import BaseLoader, Environment, FileSystemLoader, PackageLoader, TemplateNotFound

from hogsend.email.templates.front_matter import SplitSource, split_source
from hogsend.errors import ConfigError


class TemplateSource(BaseLoader):
    """One loader, with front matter taken off; errors show file names relative to its root."""

    def __init__(self, inner: BaseLoader) -> None:
        self._inner = inner

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool] | None]:
        return self.split(environment, template).body, template, None

    def split(self, environment: Environment, name: str) -> SplitSource:
        """Front matter and body of one file; raises jinja2.TemplateNotFound."""
        try:
            text, _, _ = self._inner.get_source(environment, name)
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name} is not UTF-8 text") from error
        return split_source(text, name=name)

    def list_templates(self) -> list[str]:
        return self._inner.list_templates()


class FirstOf(BaseLoader):
    """Asks sources in order; the first that has the file answers."""

    def __init__(self, sources: Sequence[TemplateSource]) -> None:
        self._sources = tuple(sources)

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool] | None]:
        for source in self._sources:
            try:
                return source.get_source(environment, template)
            except TemplateNotFound as error:
                if error.name != template:
                    raise
        raise TemplateNotFound(template)


def open_sources(directories: Sequence[Path]) -> list[TemplateSource]:
    """The given directories in order, then the templates that come with Hogsend.

    Raises ConfigError for a directory that does not exist.
    """
    for directory in directories:
        if not directory.is_dir():
            raise ConfigError(
                f"the template directory {str(directory)!r} does not exist",
                hint="create it, or leave it out of the content package",
            )
    loaders: list[BaseLoader] = [FileSystemLoader(directory) for directory in directories]
    loaders.append(PackageLoader("hogsend.email.templates", "builtin"))
    return [TemplateSource(loader) for loader in loaders]
