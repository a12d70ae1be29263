"""The program that runs once before api and worker: database, migrations, first secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from hogsend import settings as environment
from hogsend.access.bootstrap import mint_first_admin, mint_first_api_key
from hogsend.db import Database, DatabaseOptions
from hogsend.embedded.data_directory import write_private
from hogsend.embedded.postgres import ensure_database, wait_ready
from hogsend.modes import migrate
from hogsend.settings import Settings
from hogsend.supervise.plan import EMBEDDED_DATABASE, FIRST_RUN

_ADMIN = "admin@hogsend.local"
_READY_SECONDS = 60


def main(environ: Mapping[str, str]) -> int:
    """Bring the database up to date and make the first secrets; returns the exit code.

    Raises HogsendError.
    """
    settings = environment.load(environ, mode="supervisor")
    if environ.get(EMBEDDED_DATABASE):
        wait_ready(settings.database_url, _READY_SECONDS)
        ensure_database(settings.database_url)
    code = migrate.main([], environ)
    if code == 0:
        _mint(settings)
    return code


def _mint(settings: Settings) -> None:
    database = Database(DatabaseOptions(url=settings.database_url, pool_size=1))
    try:
        email = settings.studio_admin_email or _ADMIN
        password = mint_first_admin(database, email=email, password=settings.studio_admin_password)
        key = mint_first_api_key(database) if settings.bootstrap_api_key else None
    finally:
        database.close()
    made = {"adminEmail": email, "adminPassword": password} if password is not None else {}
    if key is not None:
        made["apiKey"] = key
    if made:
        _note(settings.data_dir / FIRST_RUN, made)


def _note(file: Path, made: Mapping[str, str]) -> None:
    """Keep it until the banner has shown it, even if that is after the next start."""
    earlier = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    write_private(file, json.dumps(earlier | dict(made)) + "\n")
