"""Loads the content package named by ``HOGSEND_APP``."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hogsend.errors import ConfigError
from hogsend.journeys.definitions import JourneyDefinitions

if TYPE_CHECKING:
    from hogsend.app import App
    from hogsend.settings import Settings

EXAMPLE = "hogsend.examples.lifecycle:app"


def load_content(settings: Settings) -> App:
    """The app the settings name, checked as they say; see load_app."""
    return load_app(
        settings.app,
        settings.content_dir,
        default_revenue=settings.default_revenue_conversion,
    )


def load_app(app_ref: str | None, content_dir: Path, *, default_revenue: bool = True) -> App:
    """The app ``module:name``; None is the built-in example.

    ``content_dir`` is put first on the import path; ``default_revenue`` is the setting
    HOGSEND_DEFAULT_REVENUE_CONVERSION. Raises ConfigError that names the file and line of every
    problem.
    """
    if app_ref is None:
        return _find(EXAMPLE)
    directory = content_dir.absolute()
    if directory.is_dir() and str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
        importlib.invalidate_caches()
    app = _find(app_ref, directory)
    app.check(default_revenue=default_revenue)
    return app


def _find(app_ref: str, directory: Path | None = None) -> App:
    module_name, _, attribute = app_ref.partition(":")
    module = _import(module_name, directory)
    found = getattr(module, attribute, None)
    if not isinstance(found, JourneyDefinitions):
        names = [n for n, v in vars(module).items() if isinstance(v, JourneyDefinitions)]
        hint = f"HOGSEND_APP={module_name}:{names[0]}" if names else "define: app = App(__name__)"
        what = "is missing" if found is None else f"is a {type(found).__name__}, no App"
        raise ConfigError(f"{module.__file__}: {attribute!r} {what}", hint=hint)
    return found  # type: ignore[return-value]  # App is the only subclass; it lives a floor above


def _import(name: str, directory: Path | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"HOGSEND_APP names the module {name!r}, which is not there",
                hint=f"looked in {directory}; set HOGSEND_CONTENT_DIR to the directory that has it",
            ) from error
        raise _failed(name, error, directory) from error
    except Exception as error:
        raise _failed(name, error, directory) from error


def _failed(name: str, error: Exception, directory: Path | None) -> ConfigError:
    """Blame the last line of the content that was running, not the library it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return ConfigError(f"{error.filename}:{error.lineno}: {error.msg}")
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if directory and Path(f.filename).is_relative_to(directory)]
    place = (own or frames)[-1]
    return ConfigError(
        f"{place.filename}:{place.lineno}: importing {name!r} failed: "
        f"{type(error).__name__}: {error}"
    )
