"""What supervisor mode and the tests need to know about an embedded server."""

from __future__ import annotations

import signal
from typing import Protocol


class Server(Protocol):
    """A prepared server; it is not running until somebody runs its command."""

    @property
    def stop_signal(self) -> signal.Signals:
        """Ends it quickly and cleanly although clients are connected."""
        ...

    @property
    def run_as(self) -> tuple[int, int] | None:
        """(uid, gid) to drop to before the command, None to stay who we are."""
        ...

    def command(self) -> list[str]:
        """Runs in the foreground and logs to standard error or output."""
        ...

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return when it answers; raises HogsendError when it does not in time."""
        ...
