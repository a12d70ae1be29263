from __future__ import annotations

from tests.providers.conftest import free_port, scripted_mail_server

__all__ = ["free_port", "scripted_mail_server"]
