"""Who may call: API keys, scopes, guards, administrators."""

from hogsend.access.models import SCOPES, Admin, ApiKey, Principal

__all__ = ["SCOPES", "Admin", "ApiKey", "Principal"]
