"""Administrators: create, reset, list, check a password. Opens no session."""

from __future__ import annotations

import secrets

from hogsend.access import store
from hogsend.access.models import Admin
from hogsend.access.passwords import (
    NOBODY,
    check_password,
    hash_password,
    is_outdated,
    verify_password,
)
from hogsend.db import Database
from hogsend.db.errors import UniqueViolation
from hogsend.errors import Conflict, InvalidInput, NotFound
from hogsend.kernel.addresses import is_email, normalize_email

_LAST_ADMIN_LOCK = "hogsend:last-admin"


def create_admin(db: Database, *, email: str, password: str, name: str | None = None) -> Admin:
    """Make an administrator who can sign in to Studio; ``name`` defaults to the local part.

    Raises InvalidInput for a bad address or password, Conflict when the address is taken.
    """
    address = _address(email)
    check_password(password)
    password_hash = hash_password(password)
    try:
        with db.transaction() as tx:
            admin = store.insert_user(
                tx, user_id=_new_id(), name=name or address.partition("@")[0], email=address
            )
            store.insert_credential(
                tx, row_id=_new_id(), user_id=admin.id, password_hash=password_hash
            )
    except UniqueViolation as error:
        raise Conflict(
            f"{address} is an administrator already",
            hint="use `hogsend studio admin reset` to set a new password",
        ) from error
    return admin


def reset_password(
    db: Database, *, email: str, password: str, revoke_sessions: bool = True
) -> Admin:
    """Set a new password and, unless told otherwise, end every session of the administrator.

    Raises InvalidInput for a bad password, NotFound for an unknown address.
    """
    address = _address(email)
    check_password(password)
    password_hash = hash_password(password)
    with db.transaction() as tx:
        admin = store.find_admin(tx, address)
        if admin is None:
            raise NotFound(
                f"{address} is no administrator", hint="use `hogsend studio admin create`"
            )
        if not store.update_credential(tx, user_id=admin.id, password_hash=password_hash):
            store.insert_credential(
                tx, row_id=_new_id(), user_id=admin.id, password_hash=password_hash
            )
        if revoke_sessions:
            store.delete_sessions(tx, admin.id)
    return admin


def list_admins(db: Database) -> list[Admin]:
    """Every administrator, oldest first."""
    return store.list_admins(db)


def remove_admin(db: Database, *, email: str) -> Admin:
    """Delete an administrator with all sessions.

    Raises NotFound for an unknown address, Conflict for the last administrator.
    """
    address = _address(email)
    with db.transaction() as tx:
        store.lock_bootstrap(tx, _LAST_ADMIN_LOCK)
        admins = store.list_admins(tx)
        found = next((admin for admin in admins if admin.email == address), None)
        if found is None:
            raise NotFound(f"{address} is no administrator")
        if len(admins) == 1:
            raise Conflict(
                f"{address} is the last administrator",
                hint="make another one first with `hogsend studio admin create`",
            )
        store.delete_user(tx, found.id)
    return found


def authenticate(db: Database, *, email: str, password: str) -> Admin | None:
    """The administrator whose password this is, else None; takes the same time either way.

    A password that is stored in an old form is stored anew.
    """
    found = store.find_credential(db, normalize_email(email))
    is_right = verify_password(password, found[1] if found else NOBODY)
    if found is None or not is_right:
        return None
    admin, stored = found
    if is_outdated(stored):
        store.update_credential(db, user_id=admin.id, password_hash=hash_password(password))
    return admin


def _address(email: str) -> str:
    address = normalize_email(email)
    if not is_email(address):
        raise InvalidInput(f"{email!r} is not a mail address")
    return address


def _new_id() -> str:
    # 32 letters and digits, the form of ids in these four tables
    return secrets.token_hex(16)
