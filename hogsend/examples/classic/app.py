"""The app the journeys of this package are registered on."""

from __future__ import annotations

from hogsend import App

app = App(__name__)
