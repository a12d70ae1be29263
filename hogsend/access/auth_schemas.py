"""What ``/api/auth/*`` reads and answers: the bodies, the user and the session over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hogsend.access.models import Admin
from hogsend.access.sessions import Session
from hogsend.kernel.wire_json import iso_z


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class SignInBody(_Body):
    """``rememberMe`` false: a day, and the cookie ends with the browser."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=1024)
    remember_me: bool = Field(default=True, alias="rememberMe")


class ResetRequestBody(_Body):
    """``redirectTo`` must be on a trusted origin."""

    email: str = Field(max_length=320)
    redirect_to: str | None = Field(default=None, alias="redirectTo", max_length=2048)


class ResetBody(_Body):
    """``token`` may be in the query instead."""

    new_password: str = Field(alias="newPassword", max_length=1024)
    token: str | None = Field(default=None, max_length=256)


class ChangeBody(_Body):
    """``revokeOtherSessions`` ends every other session."""

    current_password: str = Field(alias="currentPassword", max_length=1024)
    new_password: str = Field(alias="newPassword", max_length=1024)
    revoke_other_sessions: bool = Field(default=True, alias="revokeOtherSessions")


class RevokeBody(_Body):
    """``id`` of a session of one's own, as ``list-sessions`` shows it."""

    id: str = Field(max_length=64)


def user_json(admin: Admin) -> dict[str, Any]:
    """The reference's user object."""
    return {
        "id": admin.id,
        "name": admin.name,
        "email": admin.email,
        "emailVerified": True,
        "image": None,
        "createdAt": iso_z(admin.created_at),
        "updatedAt": iso_z(admin.created_at),
    }


def session_json(session: Session) -> dict[str, Any]:
    """The reference's session object without its token."""
    return {
        "id": session.id,
        "userId": session.admin.id,
        "expiresAt": iso_z(session.expires_at),
        "createdAt": iso_z(session.created_at),
        "updatedAt": iso_z(session.updated_at),
        "ipAddress": session.ip_address or "",
        "userAgent": session.user_agent or "",
    }
