"""May this key write for this person? The gate of every write body with an identity."""

from __future__ import annotations

from datetime import datetime

from hogsend.access.models import Principal
from hogsend.errors import InvalidInput, NotAllowed
from hogsend.kernel.tokens import TokenError, TokenSigner

# The browser SDK refreshes its token when a 403 says "userToken": the word must stay.
NO_PROOF = "publishable key cannot act on another identity without a userToken"
BAD_PROOF = "Invalid userToken"
OTHER_IDENTITY = "userToken does not authorize this identity"


def check_identity(
    principal: Principal,
    *,
    user_id: str | None,
    email: str | None,
    user_token: str | None,
    signer: TokenSigner,
    now: datetime,
    required: str = "email or userId is required",
) -> None:
    """Return when the caller may write for this identity.

    Secret keys may write for anybody but must name somebody (InvalidInput); publishable keys
    write anonymously, or for the user their ``userToken`` proves (NotAllowed).
    """
    if not principal.is_publishable:
        if user_id is None and email is None:
            raise InvalidInput(required)
        return
    if user_id is None and email is None:
        return
    if not user_token:
        raise NotAllowed(NO_PROOF)
    try:
        proven = signer.user_of(user_token, now=now)
    except TokenError as error:
        raise NotAllowed(BAD_PROOF) from error
    if email is not None or user_id != proven:
        raise NotAllowed(OTHER_IDENTITY)
