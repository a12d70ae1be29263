"""May this key write for this person? The gate of every write body with an identity."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from hogsend.access.models import Principal
from hogsend.errors import InvalidInput, NotAllowed
from hogsend.kernel.tokens import TokenError, TokenSigner

# The browser SDK refreshes its token when a 403 says "userToken": the word must stay.
NO_PROOF = "publishable key cannot act on another identity without a userToken"
BAD_PROOF = "Invalid userToken"
OTHER_IDENTITY = "userToken does not authorize this identity"


NO_IDENTITY = "email or userId is required"


class Claim(Protocol):
    """The part of a body or query that says who it is about, and proves it."""

    @property
    def user_id(self) -> str | None: ...

    @property
    def email(self) -> str | None: ...

    @property
    def user_token(self) -> str | None: ...


def check_identity(
    principal: Principal, claim: Claim, *, signer: TokenSigner, now: datetime
) -> None:
    """Return when the caller may write for this identity.

    Secret keys may write for anybody but must name somebody (InvalidInput); publishable keys
    write anonymously, or for the user their ``userToken`` proves (NotAllowed).
    """
    is_named = claim.user_id is not None or claim.email is not None
    if not is_named and not principal.is_publishable:
        raise InvalidInput(NO_IDENTITY)
    if not is_named or not principal.is_publishable:
        return
    if not claim.user_token:
        raise NotAllowed(NO_PROOF)
    try:
        proven = signer.user_of(claim.user_token, now=now)
    except TokenError as error:
        raise NotAllowed(BAD_PROOF) from error
    if claim.email is not None or claim.user_id != proven:
        raise NotAllowed(OTHER_IDENTITY)
