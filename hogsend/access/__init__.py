"""Who may call: API keys, scopes, guards, administrators."""
