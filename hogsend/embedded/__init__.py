"""Servers that come with Hogsend: prepared here, run by whoever needs them."""

from hogsend.embedded.postgres import PostgresServer
from hogsend.embedded.server import Server
from hogsend.embedded.valkey import ValkeyServer

__all__ = ["PostgresServer", "Server", "ValkeyServer"]
