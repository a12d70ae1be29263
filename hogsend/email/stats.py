"""Mail statistics: typed reads over the definitions of the database.

Every rate is a fraction with four places, 0 when there is nothing to divide by. Opens and clicks
are those of people: machines are not in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal
from uuid import UUID

from hogsend.db import Executor, QueryFile

_Q = QueryFile(__package__, "stats.sql")

Period = Literal["day", "week", "month"]
_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOverview:
    """Numbers for the first screen."""

    sent_24h: int
    sent_7d: int
    sent_30d: int
    bounce_rate_30d: float
    unsubscribe_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTotals:
    """Counts of sends, not of people."""

    sent: int
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int = 0

    @property
    def delivery_rate(self) -> float:
        """Delivered of sent."""
        return rate(self.delivered, self.sent)

    @property
    def open_rate(self) -> float:
        """Opened of delivered; of sent while the provider reports no deliveries."""
        return rate(self.opened, self.delivered or self.sent)

    @property
    def click_rate(self) -> float:
        """Clicked of opened."""
        return rate(self.clicked, self.opened)

    @property
    def click_to_delivery_rate(self) -> float:
        """Clicked of delivered."""
        return rate(self.clicked, self.delivered)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTotals:
    """``template`` None: sends without one."""

    template: str | None
    totals: MailTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoint:
    """One period, named by its start (UTC)."""

    start: datetime
    totals: MailTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverabilityPoint:
    """``total`` is every mail that was made in the period, sent or not."""

    start: datetime
    total: int
    delivered: int
    bounced: int
    complained: int
    delivery_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTotals:
    """``skipped`` are suppressed sends; they are not in ``sends``."""

    sends: int
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int
    failed: int
    skipped: int
    last_sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHits:
    """Who followed one link of a mail."""

    url: str
    position: int | None
    people: int
    machines: int


def rate(part: int, whole: int) -> float:
    """``part`` of ``whole``, four places, halves up; 0 when ``whole`` is 0."""
    if whole <= 0:
        return 0.0
    return float((Decimal(part) / Decimal(whole)).quantize(_PLACES, ROUND_HALF_UP))


def read_overview(db: Executor, *, now: datetime) -> MailOverview:
    """Sends by the instant of sending; bounces by the instant the mail was made."""
    row = db.run(_Q["read_overview"], now=now)[0]
    return MailOverview(
        sent_24h=row[0],
        sent_7d=row[1],
        sent_30d=row[2],
        bounce_rate_30d=row[3],
        unsubscribe_rate=row[4],
    )


def list_template_totals(
    db: Executor,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    includes_untemplated: bool = False,
    template: str | None = None,
) -> list[TemplateTotals]:
    """Most sent first; ``since`` and ``until`` are included and concern when mail was made."""
    rows = db.run(
        _Q["list_template_totals"],
        since=since,
        until=until,
        includes_untemplated=includes_untemplated,
        template=template,
    )
    return [
        TemplateTotals(
            template=row[0],
            totals=MailTotals(
                sent=row[1],
                delivered=row[2],
                opened=row[3],
                clicked=row[4],
                bounced=row[5],
                complained=row[6],
            ),
        )
        for row in rows
    ]


def list_template_series(
    db: Executor, template: str, *, period: Period, since: datetime, until: datetime
) -> list[SeriesPoint]:
    """One point for each period with mail; empty ones are absent."""
    rows = db.run(
        _Q["list_template_series"], template=template, period=period, since=since, until=until
    )
    return [
        SeriesPoint(
            start=row[0],
            totals=MailTotals(
                sent=row[1], delivered=row[2], opened=row[3], clicked=row[4], bounced=row[5]
            ),
        )
        for row in rows
    ]


def list_deliverability(
    db: Executor, *, period: Period, since: datetime, until: datetime
) -> list[DeliverabilityPoint]:
    """Whole days (UTC) between two instants; empty periods are absent."""
    rows = db.run(_Q["list_deliverability"], period=period, since=since, until=until)
    return [
        DeliverabilityPoint(
            start=row[0],
            total=row[1],
            delivered=row[2],
            bounced=row[3],
            complained=row[4],
            delivery_rate=row[5],
        )
        for row in rows
    ]


def read_campaign_totals(
    db: Executor, campaign_id: UUID, *, step: int | None = None
) -> CampaignTotals:
    """A whole campaign, or one step of it."""
    row = db.run(_Q["read_campaign_totals"], campaign_id=campaign_id, step=step)[0]
    return CampaignTotals(
        sends=row[0],
        delivered=row[1],
        opened=row[2],
        clicked=row[3],
        bounced=row[4],
        complained=row[5],
        failed=row[6],
        skipped=row[7],
        last_sent_at=row[8],
    )


def list_link_hits(db: Executor, send_id: UUID) -> list[LinkHits]:
    """The links of one mail in reading order."""
    rows = db.run(_Q["count_hits"], send_id=send_id)
    return [LinkHits(url=r[0], position=r[1], people=r[2], machines=r[3]) for r in rows]
