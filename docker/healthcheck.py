"""The image's health check: modes that serve HTTP must answer, the others must only run.

Exit codes: 0 healthy, 1 not.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

SERVING = {"api", "supervisor"}
TIMEOUT_SECONDS = 4


def main(first_process: Path = Path("/proc/1/cmdline")) -> int:
    """``first_process`` holds the command line of the container's main process."""
    words = first_process.read_bytes().decode(errors="replace").split("\0")
    if not SERVING.intersection(words):
        return 0
    port = os.environ.get("PORT") or "3002"
    url = f"http://127.0.0.1:{port}/v1/health"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
