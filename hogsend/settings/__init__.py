"""The environment, read once: ``load(environ, mode=...) -> Settings``."""

from __future__ import annotations

from hogsend.settings.declare import Mode, Setting, settings_of
from hogsend.settings.loader import load
from hogsend.settings.model import Settings

__all__ = ["Mode", "Setting", "Settings", "load", "settings_of"]
