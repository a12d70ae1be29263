"""Every address of Studio, built in one place."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

ROOT = "/studio"
HOME = "/studio/"
STATUS_FRAGMENT = "/studio/status-fragment"
SIGN_IN = "/studio/sign-in"
SIGN_OUT = "/studio/sign-out"
FORGOT = "/studio/forgot"
RESET = "/studio/reset"
SETUP = "/studio/setup"
MAILS = "/studio/mails"
MAIL = "/studio/mails/{id}"
MAIL_BODY = "/studio/mails/{id}/body"
ACCOUNT = "/studio/account"
ACCOUNT_CHANGE = "/studio/account/password"
ACCOUNT_SESSIONS = "/studio/account/sessions"
STATIC = "/studio/static/{digest}/{name}"


def mail(send_id: UUID) -> str:
    """The page of one mail."""
    return MAIL.replace("{id}", str(send_id))


def mail_body(send_id: UUID) -> str:
    """The sandboxed HTML of one mail."""
    return MAIL_BODY.replace("{id}", str(send_id))


def mails(before: UUID | None = None) -> str:
    """The list of mails, older than one of them."""
    return MAILS if before is None else f"{MAILS}?{urlencode({'before': str(before)})}"


def sign_in(following: str) -> str:
    """The sign-in page that leads on to ``following``."""
    return SIGN_IN if following == HOME else f"{SIGN_IN}?{urlencode({'next': following})}"


def local_path(value: str | None) -> str:
    """``value`` when it stays inside Studio, else the home page."""
    if value and value.startswith(f"{ROOT}/") and value.isprintable() and "\\" not in value:
        return value
    return HOME
