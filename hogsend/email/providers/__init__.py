"""Mail providers: thin wires that take a finished message."""

from hogsend.email.providers.base import (
    BatchProvider,
    Capabilities,
    EmailProvider,
    ProviderDisputed,
    ProviderReceipt,
    WireMessage,
)

__all__ = [
    "BatchProvider",
    "Capabilities",
    "EmailProvider",
    "ProviderDisputed",
    "ProviderReceipt",
    "WireMessage",
]
