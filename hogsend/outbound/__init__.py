"""What the outside is to hear: promised beside the change, kept for days; nobody delivers yet."""

from hogsend.outbound.models import EVENT_TYPES, HitPromise, OutboundEvent
from hogsend.outbound.promises import Promises

__all__ = ["EVENT_TYPES", "HitPromise", "OutboundEvent", "Promises"]
