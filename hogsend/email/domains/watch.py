"""Knows whether the sending domain is verified, without ever making a mail wait for the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

import structlog

from hogsend.db import Executor, QueryFile
from hogsend.email.compose import TestState
from hogsend.email.domains.base import DomainProvider, DomainRefused, DomainState
from hogsend.errors import HogsendError
from hogsend.kernel.clock import Clock
from hogsend.kernel.wire_json import iso_z

_Q = QueryFile(__package__, "domains.sql")

Reason = Literal["env_flag", "domain_unverified"]

_VERIFIED_FOR = timedelta(minutes=10)
_OTHER_FOR = timedelta(seconds=60)
_FORBIDDEN_FOR = timedelta(hours=6)
# What another process saw longer ago says nothing about today.
_STORED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestModeRules:
    """HOGSEND_TEST_MODE, EMAIL_DOMAIN (only when it is set), and the inbox."""

    __test__ = False

    mode: Literal["auto", "true", "false"]
    domain: str | None
    inbox: str | None


class DomainWatch:
    """Implements the mailer's ``read_test_state``.

    An unknown state counts as verified: nobody's mail is redirected because a provider is down.
    The last state seen is kept in the database, so a process that just started knows it too.
    Refreshing happens on a thread of its own, one at a time. Thread-safe.
    """

    def __init__(
        self,
        db: Executor,
        rules: TestModeRules,
        provider: DomainProvider | None,
        *,
        clock: Clock,
        run: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._db = db
        self._rules = rules
        self._provider = provider
        self._clock = clock
        self._run = run or _on_thread
        self._lock = threading.Lock()
        self._state: DomainState | None = None
        self._fresh_until: datetime | None = None
        self._is_refreshing = False
        self._was_active: bool | None = None
        self._is_loaded = False

    def read(self) -> TestState:
        """Whether mail is redirected now; never blocks on the network."""
        is_active = self.reason() is not None
        if is_active != self._was_active:
            self._was_active = is_active
            structlog.get_logger().warning(
                "email.test_mode_changed",
                is_active=is_active,
                domain=self._rules.domain,
                inbox=self._rules.inbox,
            )
        return TestState(is_active=is_active, inbox=self._rules.inbox)

    def reason(self) -> Reason | None:
        """Why mail is redirected, None when it is not."""
        if self._rules.mode == "true":
            return "env_flag"
        if self._rules.mode == "false" or self._rules.domain is None or self._provider is None:
            return None
        state = self._known_state()
        return "domain_unverified" if state not in (None, "verified") else None

    def refresh(self) -> DomainState | None:
        """Ask the provider now; answers the state, the last known one when it cannot say."""
        if self._provider is None or self._rules.domain is None:
            return None
        life = _OTHER_FOR
        state: DomainState | None = None
        try:
            state = self._provider.find(self._rules.domain, now=self._clock.now()).state
        except DomainRefused as error:
            if error.is_forbidden:
                life = _FORBIDDEN_FOR
            structlog.get_logger().warning("email.domain_unknown", error=error.message)
        if state is not None:
            life = _VERIFIED_FOR if state == "verified" else _OTHER_FOR
            self._store(state)
        with self._lock:
            self._state = state or self._state
            self._fresh_until = self._clock.now() + life
            return self._state

    def _known_state(self) -> DomainState | None:
        with self._lock:
            must_load, self._is_loaded = not self._is_loaded, True
        if must_load:
            self._load()
        with self._lock:
            now = self._clock.now()
            is_stale = self._fresh_until is None or now >= self._fresh_until
            starts = is_stale and not self._is_refreshing
            self._is_refreshing = self._is_refreshing or starts
        if starts:
            self._run(self._refresh_once)
        with self._lock:
            return self._state

    def _refresh_once(self) -> None:
        try:
            self.refresh()
        except HogsendError as error:
            structlog.get_logger().warning("email.domain_unknown", error=error.message)
        finally:
            with self._lock:
                self._is_refreshing = False

    def _load(self) -> None:
        try:
            rows = self._db.run(_Q["find_state"], domain=self._rules.domain)
        except HogsendError:
            return
        if rows and self._clock.now() - rows[0][1] <= _STORED_FOR:
            with self._lock:
                self._state = cast(DomainState, rows[0][0])

    def _store(self, state: DomainState) -> None:
        now = self._clock.now()
        try:
            self._db.run(
                _Q["store_state"],
                value={"domain": self._rules.domain, "state": state, "checkedAt": iso_z(now)},
            )
        except HogsendError as error:
            structlog.get_logger().warning("email.domain_not_stored", error=error.message)


def _on_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="domain-refresh", daemon=True).start()
