"""Ten journeys most products end up with; a place to copy from.

Try them: ``HOGSEND_APP=hogsend.examples.classic:app``, or without sending anything,
``hogsend journeys simulate --event user.created``. Their mails are the built-in templates.
"""

from hogsend.examples.classic import (
    activation,
    churn,
    conversion,
    feedback,
    reactivation,
    retention,
    smoke,
)
from hogsend.examples.classic.app import app

__all__ = [
    "activation",
    "app",
    "churn",
    "conversion",
    "feedback",
    "reactivation",
    "retention",
    "smoke",
]
