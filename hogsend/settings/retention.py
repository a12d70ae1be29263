"""Settings of what is forgotten, and when."""

from __future__ import annotations

from dataclasses import dataclass

from hogsend.settings import kinds
from hogsend.settings.declare import setting
from hogsend.settings.tracking import TrackingSettings

_RETENTION = "Retention"
_DAYS = kinds.whole(1, 3650)


@dataclass(frozen=True, kw_only=True)
class RetentionSettings(TrackingSettings):
    """Not used by itself; Settings inherits the fields."""

    # fmt: off
    hit_detail_days: int = setting(
        "HOGSEND_HIT_DETAIL_DAYS", _DAYS, 30,
        "Days for which network and program of a click are kept, and requests of machines.",
        group=_RETENTION, modes=("worker", "supervisor"),
    )
    outbound_retention_days: int = setting(
        "HOGSEND_OUTBOUND_RETENTION_DAYS", _DAYS, 7,
        "Days for which promised outbound events (`contact.*`, `email.*`) are kept.",
        group=_RETENTION, modes=("worker", "supervisor"),
    )
    anonymous_draft_days: int = setting(
        "HOGSEND_ANONYMOUS_DRAFT_DAYS", _DAYS, 90,
        "Days after which properties of a visitor who never became a contact are forgotten.",
        group=_RETENTION, modes=("worker", "supervisor"),
    )
    journal_days: int = setting(
        "HOGSEND_JOURNAL_DAYS", _DAYS, 30,
        "Days for which the step journal of a completed or exited enrollment is kept.",
        group=_RETENTION, modes=("worker", "supervisor"),
    )
    journey_log_days: int = setting(
        "HOGSEND_JOURNEY_LOG_DAYS", _DAYS, 365,
        "Days for which the log of an ended enrollment is kept, and why somebody did not enter.",
        group=_RETENTION, modes=("worker", "supervisor"),
    )
    audit_days: int = setting(
        "HOGSEND_AUDIT_DAYS", _DAYS, 730,
        "Days for which the audit log is kept. Certificates of erasure stay.",
        group=_RETENTION, modes=("worker", "supervisor"),
    )
