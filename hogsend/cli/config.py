"""Where commands find the API, its keys and the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hogsend.errors import ConfigError

if TYPE_CHECKING:
    from hogsend.db import Database
    from hogsend.settings import Settings

DEFAULT_URL = "http://localhost:3002"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """The environment of one command. ``directory`` is where ``.env`` is looked for."""

    environ: Mapping[str, str]
    directory: Path

    def settings(self) -> Settings:
        """Everything that is set; nothing is required."""
        from hogsend import settings as environment  # pydantic: a fifth of a second for --help

        return environment.load(self.environ, mode="cli")

    def base_url(self, given: str | None) -> str:
        """``--url``, else HOGSEND_API_URL (also in ``.env``), else localhost; no trailing slash."""
        url = given or self._find("HOGSEND_API_URL") or DEFAULT_URL
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"{url!r} is no URL of an API", hint="use http:// or https://")
        return url.rstrip("/")

    def data_key(self, given: str | None) -> str:
        """``--api-key``, else HOGSEND_DATA_KEY, else HOGSEND_API_KEY; ``.env`` comes last.

        Raises ConfigError when there is none.
        """
        key = given or self._find("HOGSEND_DATA_KEY", "HOGSEND_API_KEY")
        if key is None:
            raise ConfigError(
                "no API key",
                hint="set HOGSEND_API_KEY or pass --api-key; see `hogsend keys create`",
            )
        return key

    @contextmanager
    def database(self, given: str | None = None) -> Iterator[Database]:
        """The database of ``--database-url`` or DATABASE_URL, never of ``.env``; closed after."""
        from hogsend.db import Database, DatabaseOptions

        settings = self.settings()
        url = given or settings.database_url
        if not url:
            raise ConfigError("DATABASE_URL is not set", hint="set it or pass --database-url")
        db = Database(
            DatabaseOptions(
                url=url, pool_size=1, prepare=settings.db_prepare, application_name="hogsend-cli"
            )
        )
        try:
            yield db
        finally:
            db.close()

    def _find(self, *names: str) -> str | None:
        local = read_dotenv(self.directory / ".env")
        for source in (self.environ, local):
            for name in names:
                if source.get(name):
                    return source[name]
        return None


def read_dotenv(path: Path) -> dict[str, str]:
    """``KEY=VALUE`` lines of a file, ``export`` and quotes taken off; unreadable means empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        value = value.strip()
        if not equals or key.startswith("#"):
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[key.strip()] = value
    return found


pass_line = click.make_pass_decorator(CommandLine)
url_option = click.option("--url", help="The API; else HOGSEND_API_URL.")
data_key_option = click.option(
    "--api-key", "--data-key", help="Else HOGSEND_DATA_KEY or HOGSEND_API_KEY."
)
database_option = click.option(
    "--database-url", metavar="URL", help="Instead of DATABASE_URL.", default=None
)
