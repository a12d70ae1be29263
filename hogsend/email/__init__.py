"""Everything between "send this template to this person" and the provider's receipt."""

from hogsend.email.models import SendRequest, SendResult, SendStatus

__all__ = ["SendRequest", "SendResult", "SendStatus"]
