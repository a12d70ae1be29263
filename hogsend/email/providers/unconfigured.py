"""Stands in when nobody configured a provider, so that the process can start without one."""

from __future__ import annotations

from hogsend.email.providers.base import Capabilities, ProviderReceipt, WireMessage
from hogsend.errors import ProviderPermanent


class UnconfiguredProvider:
    """Refuses every mail with an error that names the variables to set."""

    name = "unconfigured"
    capabilities = Capabilities()

    def send(self, message: WireMessage) -> ProviderReceipt:
        """Always raises ProviderPermanent."""
        raise ProviderPermanent(
            "no mail provider is configured",
            code="provider_unconfigured",
            hint="set RESEND_API_KEY, or SMTP_HOST, or HOGSEND_OUTBOX_DIR to write mail to files; "
            "EMAIL_PROVIDER chooses between several",
            context={"send_id": str(message.send_id)},
        )

    def close(self) -> None:
        """Nothing is held open."""
