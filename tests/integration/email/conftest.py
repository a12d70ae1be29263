from __future__ import annotations

from tests.providers.conftest import closed_port, scripted_mail_server

__all__ = ["closed_port", "scripted_mail_server"]
