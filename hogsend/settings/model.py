"""The settings of one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hogsend.kernel.addresses import domain_of
from hogsend.settings.declare import Mode
from hogsend.settings.planned import PlannedSettings

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})  # noqa: S104
_SERVERS = ("api", "worker", "supervisor")


@dataclass(frozen=True, kw_only=True)
class Settings(PlannedSettings):
    """Every setting of one process, validated and flat; made by ``load`` only.

    ``provided`` names the variables the environment really set. Secrets never show in ``repr``.
    """

    mode: Mode
    provided: frozenset[str] = field(default=frozenset(), repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_production(self) -> bool:
        """NODE_ENV is ``production``."""
        return self.node_env == "production"

    @property
    def sending_domain(self) -> str:
        """EMAIL_DOMAIN, else the domain of the default sender."""
        return self.email_domain or domain_of(self.email_from)

    def is_set(self, name: str) -> bool:
        """True when the environment set this variable, itself or through its ``_FILE``."""
        return name in self.provided

    def warnings(self) -> list[str]:
        """What deserves a look but stops nothing; one sentence each, for the boot log."""
        found = list(self.notes)
        if self.mode in _SERVERS:
            found += self._mail_warnings()
        if self.is_production and self.mode in ("api", "worker"):
            found += self._production_warnings()
        return found

    def _mail_warnings(self) -> list[str]:
        found = []
        is_configured = bool(self.resend_api_key or self.smtp_host)
        if not (is_configured or self.outbox_dir or self.email_provider):
            if self.mode != "supervisor":
                found.append(
                    "no email provider is configured: every mail will be recorded as failed; "
                    "set RESEND_API_KEY, SMTP_HOST or HOGSEND_OUTBOX_DIR"
                )
        elif is_configured and not (self.is_set("EMAIL_FROM") or self.is_set("RESEND_FROM_EMAIL")):
            found.append("EMAIL_FROM is not set: providers refuse mails from foreign domains")
        if self.test_mode == "true" and self.test_email is None:
            found.append("HOGSEND_TEST_MODE=true without HOGSEND_TEST_EMAIL: mails are blocked")
        return found

    def _production_warnings(self) -> list[str]:
        found = []
        if not self.is_set("REDIS_URL"):
            found.append(
                f"REDIS_URL is not set in production: using {self.redis_url}; "
                "rate limits are per process and the worker's heartbeat may be invisible"
            )
        if urlsplit(self.api_public_url).hostname in _LOCAL_HOSTS:
            found.append("API_PUBLIC_URL is local in production: links in mails lead nowhere")
        if self.orchestrator == "hatchet" and self._is_engine_plain_and_public():
            found.append("HATCHET_CLIENT_TLS_STRATEGY=none sends the token in the clear")
        return found

    def _is_engine_plain_and_public(self) -> bool:
        host = urlsplit(f"//{self.hatchet_client_host_port or ''}").hostname or ""
        # A name without a dot is resolved inside one network: compose, Kubernetes, hosts file.
        is_private = "." not in host or host.endswith((".internal", ".local", ".svc"))
        return self.hatchet_client_tls_strategy == "none" and not is_private
