from __future__ import annotations

import pytest

from hogsend.email.providers.base import WireMessage
from hogsend.email.providers.unconfigured import UnconfiguredProvider
from hogsend.errors import ProviderPermanent


def test_send_names_the_variables(message: WireMessage) -> None:
    with pytest.raises(ProviderPermanent) as caught:
        UnconfiguredProvider().send(message)

    assert caught.value.code == "provider_unconfigured"
    for variable in ("RESEND_API_KEY", "EMAIL_PROVIDER", "SMTP_HOST"):
        assert variable in str(caught.value)
