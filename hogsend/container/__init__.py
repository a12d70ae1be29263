"""The composition root: builds a process from its settings, in one readable order.

``api`` and ``worker`` each list their slices and are imported by their mode only; ``parts`` holds
what both stand on, ``engine`` the choice of the orchestrator. Building does no I/O: connections
open on first use, threads start when told. ``close`` undoes it in reverse.
"""
