"""Mail providers: thin wires that take a finished message."""

from hogsend.email.providers.base import (
    Capabilities,
    EmailProvider,
    ProviderDisputed,
    ProviderReceipt,
    WireMessage,
)

__all__ = ["Capabilities", "EmailProvider", "ProviderDisputed", "ProviderReceipt", "WireMessage"]
