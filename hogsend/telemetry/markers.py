"""Log texts that people and their tools search for; changing one breaks somebody's alert."""

from __future__ import annotations

API_READY = "Hogsend API ready"
API_CLOSED = "Server closed"
WORKER_STARTING = "Hogsend worker starting"
WORKER_READY = "Hogsend worker ready"
WORKER_STOPPED = "Worker stopped"
FIRST_KEY = "[api-keys] First-boot ingest API key"
FIRST_ADMIN = "[studio] First admin created"

# They show a secret once, on purpose: it exists nowhere else.
SHOWN_ONCE = (FIRST_KEY, FIRST_ADMIN)
