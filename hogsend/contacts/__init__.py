"""People and the keys that name them."""

from hogsend.contacts.models import Contact, KeyKind, Keys, Policy, Resolved, keys_of
from hogsend.contacts.write import repeat, resolve_contact

__all__ = [
    "Contact",
    "KeyKind",
    "Keys",
    "Policy",
    "Resolved",
    "keys_of",
    "repeat",
    "resolve_contact",
]
