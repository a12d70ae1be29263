"""Who may be written to."""

from hogsend.preferences.models import Consent
from hogsend.preferences.store import get_consent

__all__ = ["Consent", "get_consent"]
