"""Templates that follow their files, for development."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from hogsend.email.templates.models import RenderedMail, TemplateDefinition
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import ConfigError
from hogsend.kernel.wire_json import JsonValue

_LOOK_EVERY_SECONDS = 0.3

_Stamp = frozenset[tuple[str, int, int]]


class ReloadingTemplates:
    """A registry that is built anew when a file changed, appeared or went.

    A change that does not compile is logged and the last good state stays. The first state must
    be good: raises ConfigError like TemplateRegistry.
    """

    def __init__(
        self, directories: Sequence[Path], *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._directories = tuple(directories)
        self._ticks = ticks
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._looked_at = ticks()
        self._registry = TemplateRegistry.load(self._directories)

    def keys(self) -> list[str]:
        """Every key, sorted."""
        return self._current().keys()

    def get_definition(self, key: str) -> TemplateDefinition:
        """See TemplateRegistry.get_definition."""
        return self._current().get_definition(key)

    def render(
        self, key: str, props: Mapping[str, JsonValue], *, subject: str | None = None
    ) -> RenderedMail:
        """See TemplateRegistry.render."""
        return self._current().render(key, props, subject=subject)

    def preview(self, key: str, props: Mapping[str, JsonValue] | None = None) -> RenderedMail:
        """See TemplateRegistry.preview."""
        return self._current().preview(key, props)

    def _current(self) -> TemplateRegistry:
        with self._lock:
            now = self._ticks()
            if now - self._looked_at < _LOOK_EVERY_SECONDS:
                return self._registry
            self._looked_at = now
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._reload()
            return self._registry

    def _reload(self) -> None:
        log = structlog.get_logger()
        try:
            self._registry = TemplateRegistry.load(self._directories)
        except ConfigError as error:
            log.error("templates.reload_failed", error=str(error))
        else:
            log.info("templates.reloaded", templates=len(self._registry.keys()))

    def _stamp(self) -> _Stamp:
        found: set[tuple[str, int, int]] = set()
        for directory in self._directories:
            for path in directory.rglob("*"):
                if path.is_file():
                    stat = path.stat()
                    found.add((str(path), stat.st_mtime_ns, stat.st_size))
        return frozenset(found)
