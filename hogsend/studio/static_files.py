"""Static files under an address that holds their content hash, so they may be cached for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

from hogsend.errors import NotFound
from hogsend.studio import urls
from hogsend.web.http import Request, Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A packaged file in memory."""

    content: bytes
    digest: str
    media_type: str


class StaticFiles:
    """Reads the packaged files once."""

    def __init__(self) -> None:
        folder = resources.files("hogsend.studio") / "static"
        self._files = {
            entry.name: _load(entry.name, entry.read_bytes())
            for entry in folder.iterdir()
            if entry.name.rpartition(".")[2] in _TYPES
        }

    def url(self, name: str) -> str:
        """The address of a file; raises KeyError for an unknown one."""
        digest = self._files[name].digest
        return urls.STATIC.replace("{digest}", digest).replace("{name}", name)

    def get(self, req: Request, resp: Response, digest: str, name: str) -> None:
        """Serve a file; an outdated address is unknown."""
        found = self._files.get(name)
        if found is None or found.digest != digest:
            raise NotFound("Not Found")
        resp.data = found.content
        resp.content_type = found.media_type
        resp.set_header("Cache-Control", _FOR_EVER)


def _load(name: str, content: bytes) -> StaticFile:
    return StaticFile(
        content=content,
        digest=hashlib.sha256(content).hexdigest()[:16],
        media_type=_TYPES[name.rpartition(".")[2]],
    )
