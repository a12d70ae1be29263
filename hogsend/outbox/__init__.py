"""The only way to promise work after commit."""

from hogsend.outbox.models import Delivery, Done, Held, OutboxRow, Park, Retry, TopicHandler
from hogsend.outbox.nudge import Nudge
from hogsend.outbox.relay import Relay

__all__ = [
    "Delivery",
    "Done",
    "Held",
    "Nudge",
    "OutboxRow",
    "Park",
    "Relay",
    "Retry",
    "TopicHandler",
]
