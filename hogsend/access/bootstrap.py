"""First boot: the first administrator and the first API key, each shown once."""

from __future__ import annotations

import structlog

from hogsend.access import store
from hogsend.access.admins import create_admin
from hogsend.access.api_keys import create_api_key
from hogsend.access.passwords import generate_password
from hogsend.db import Database
from hogsend.errors import Conflict, HogsendError

_KEY_LOCK = "hogsend:bootstrap-api-key"
_KEY_NAME = "bootstrap-ingest"


def ensure_first_admin(db: Database, *, email: str | None, password: str | None) -> None:
    """Make the first administrator when ``email`` is given and there is none.

    Without ``password`` one is generated and logged once. Never raises: the api must start.
    Processes that race are told apart by the unique address; the loser logs no password.
    """
    if email is None:
        return
    log = structlog.get_logger()
    try:
        chosen = mint_first_admin(db, email=email, password=password)
    except HogsendError as error:
        log.error("admin.bootstrap_failed", email=email, error=error.message)
        return
    if chosen is None:
        return
    if password is not None:
        log.info(f"[studio] First admin created from env: {email}")
        return
    log.warning(
        f"[studio] First admin created: {email}."
        f" Generated password (save this, shown once): {chosen}"
    )
    log.warning("[studio] Set a password of your own with `hogsend studio admin reset`.")


def mint_first_admin(db: Database, *, email: str, password: str | None) -> str | None:
    """Make the first administrator; the password it got, or None when there is one already.

    Raises DatabaseError, and InvalidInput for a bad address or password.
    """
    chosen = password or generate_password()
    try:
        if store.has_admins(db):
            return None
        create_admin(db, email=email, password=chosen)
    except Conflict:
        structlog.get_logger().debug("admin.created_elsewhere", email=email)
        return None
    return chosen


def ensure_first_api_key(db: Database, *, is_enabled: bool) -> None:
    """Mint the first ingest key when the table never held one, and log it once.

    Processes that start together take turns on an advisory lock. Never raises.
    """
    if not is_enabled:
        return
    log = structlog.get_logger()
    try:
        key = mint_first_api_key(db)
    except HogsendError as error:
        log.error("api_keys.bootstrap_failed", error=error.message)
        return
    if key is None:
        return
    log.warning(f"[api-keys] First-boot ingest API key (shown once, save it now): {key}")
    log.warning("[api-keys] Send it as `Authorization: Bearer <key>` to POST /v1/events.")


def mint_first_api_key(db: Database) -> str | None:
    """Make the first ingest key; None when the table ever held one. Raises DatabaseError."""
    if store.has_api_keys(db):
        return None
    with db.transaction() as tx:
        store.lock_bootstrap(tx, _KEY_LOCK)
        if store.has_api_keys(tx):
            return None
        _, key = create_api_key(tx, name=_KEY_NAME, scopes=["ingest"], created_by="boot")
        return key
