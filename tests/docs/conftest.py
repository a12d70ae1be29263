from __future__ import annotations

from hogsend.testing.plugin import journey_test

__all__ = ["journey_test"]
