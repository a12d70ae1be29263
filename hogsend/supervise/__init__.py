"""Supervisor mode: what is embedded, who runs it, and what is said about it."""
