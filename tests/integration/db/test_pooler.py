"""What a pooler in transaction mode says to a client that is not configured for one."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from hogsend.db import Database, DatabaseOptions, Query
from hogsend.db.errors import DatabaseUnavailable

_SELECT = Query("one", "SELECT 1")


def _refuse_settings(server: socket.socket) -> None:
    """Answers one start-up message as PgBouncer 1.18 does, recorded on 2026-11-24."""
    client, _ = server.accept()
    with client:
        client.recv(4096)
        fields = b"SFATAL\0C08P01\0Munsupported startup parameter: jit\0\0"
        client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)


def test_pooler_refusing_our_settings_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answering = threading.Thread(target=_refuse_settings, args=(server,))
        answering.start()
        url = f"postgresql://app:pw@127.0.0.1:{port}/app?sslmode=disable"
        db = Database(DatabaseOptions(url=url))

        with pytest.raises(DatabaseUnavailable, match="unsupported startup parameter") as caught:
            db.run(_SELECT)

        answering.join(timeout=5)
        assert "HOGSEND_DB_PREPARE=false" in str(caught.value.hint)
        db.close()
