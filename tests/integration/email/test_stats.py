from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hogsend.db import Database, Query
from hogsend.email import stats
from hogsend.email.stats import (
    CampaignTotals,
    DeliverabilityPoint,
    LinkHits,
    MailOverview,
    MailTotals,
    SeriesPoint,
    TemplateTotals,
    rate,
)

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CAMPAIGN = UUID(int=9)


class Books:
    """Writes sends down."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def sql(self, text: str, **params: object) -> list[tuple[Any, ...]]:
        return self.db.run(Query.parse("test", text), **params)

    def mail(
        self,
        status: str,
        *marks: str,
        days_ago: float = 1,
        template: str | None = "welcome",
        campaign: UUID | None = None,
        key: str | None = None,
    ) -> UUID:
        """A send made some days ago; each mark sets its timestamp to that instant."""
        send_id, at = uuid4(), NOW - timedelta(days=days_ago)
        columns = {"sent_at": None, "delivered_at": None, "opened_at": None, "clicked_at": None,
                   "bounced_at": None, "complained_at": None}  # fmt: skip
        values = columns | {f"{mark}_at": at for mark in marks}
        assert values.keys() == columns.keys()
        names = ", ".join(values)
        self.sql(
            f"INSERT INTO email_sends (id, template_key, campaign_id, idempotency_key, "
            f"from_email, to_email, subject, status, created_at, {names}) VALUES (:id, :template, "
            f":campaign, :key, 'a@x.test', 'b@x.test', 's', :status, :at, "
            + ", ".join(f"CAST(:{name} AS timestamptz)" for name in values)
            + ")",
            id=send_id,
            template=template,
            campaign=campaign,
            key=key,
            status=status,
            at=at,
            **values,
        )
        return send_id


@pytest.fixture
def books(database: Database) -> Books:
    """Ten sends of ``welcome``, counted by hand in the tests below."""
    books = Books(database)
    books.mail("clicked", "sent", "delivered", "opened", "clicked", days_ago=0.1)
    books.mail("delivered", "sent", "delivered", "opened", days_ago=0.5)
    books.mail("delivered", "sent", "delivered", "clicked", days_ago=2)  # images were off
    books.mail("delivered", "sent", "delivered", days_ago=3)
    books.mail("sent", "sent", "opened", days_ago=3)  # delivery was never reported
    books.mail("bounced", "sent", "bounced", days_ago=10)
    # Reported as spam after a bounce: still bounced, though the status says otherwise.
    books.mail("complained", "sent", "delivered", "bounced", "complained", days_ago=20)
    books.mail("failed", days_ago=1)
    books.mail("suppressed", days_ago=1)
    books.mail("queued", days_ago=0.01)
    return books


def test_stats_of_a_template_are_what_a_person_counts(books: Books, database: Database) -> None:
    (found,) = stats.list_template_totals(database)

    assert found == TemplateTotals(
        template="welcome",
        totals=MailTotals(sent=7, delivered=5, opened=3, clicked=2, bounced=2, complained=1),
    )
    totals = found.totals
    assert totals.delivery_rate == 0.7143  # 5 / 7
    assert totals.open_rate == 0.6  # 3 / 5
    assert totals.click_rate == 0.6667  # 2 / 3
    assert totals.click_to_delivery_rate == 0.4  # 2 / 5


def test_stats_open_rate_falls_back_to_sent_without_deliveries() -> None:
    totals = MailTotals(sent=4, delivered=0, opened=1, clicked=0, bounced=0)

    assert (totals.open_rate, totals.delivery_rate, totals.click_to_delivery_rate) == (0.25, 0, 0)


@pytest.mark.parametrize(
    ("part", "whole", "value"),
    [(0, 0, 0.0), (1, 0, 0.0), (1, 3, 0.3333), (2, 3, 0.6667), (1, 8000, 0.0001), (5, 4, 1.25)],
)
def test_stats_rate_has_four_places_in_both_worlds(
    database: Database, part: int, whole: int, value: float
) -> None:
    sql = Query.parse("t", "SELECT hogsend.rate_v1(:n, :d)")

    assert rate(part, whole) == value
    assert database.run(sql, n=part, d=whole) == [(value,)]


def test_stats_window_and_untemplated_sends(books: Books, database: Database) -> None:
    books.mail("sent", "sent", template=None)
    books.mail("sent", "sent", template="other", days_ago=40)

    recent = stats.list_template_totals(database, since=NOW - timedelta(days=30), until=NOW)
    everything = stats.list_template_totals(database, includes_untemplated=True)
    one = stats.list_template_totals(database, template="other")

    assert [found.template for found in recent] == ["welcome"]
    assert [found.template for found in everything] == ["welcome", "other", None]
    assert [found.totals.sent for found in one] == [1]


def test_stats_overview_is_what_a_person_counts(books: Books, database: Database) -> None:
    books.mail("bounced", "sent", "bounced", days_ago=31)
    books.sql(
        "INSERT INTO email_preferences (user_id, email, unsubscribed_all) VALUES "
        "('a', 'a@x.test', true), ('b', 'b@x.test', false), ('c', 'c@x.test', false)"
    )

    overview = stats.read_overview(database, now=NOW)

    assert overview == MailOverview(
        sent_24h=2, sent_7d=5, sent_30d=7,
        bounce_rate_30d=0.2857,  # 2 bounced of 7 sent
        unsubscribe_rate=0.3333,
    )  # fmt: skip


def test_stats_deliverability_counts_every_mail_made(books: Books, database: Database) -> None:
    days = stats.list_deliverability(
        database, period="day", since=NOW - timedelta(days=3), until=NOW
    )
    months = stats.list_deliverability(
        database, period="month", since=NOW - timedelta(days=30), until=NOW
    )

    assert days == [
        DeliverabilityPoint(
            start=datetime(2026, 11, day, tzinfo=UTC), total=total, delivered=delivered,
            bounced=0, complained=0, delivery_rate=share,
        )
        for day, total, delivered, share in (
            (21, 2, 1, 0.5), (22, 1, 1, 1.0), (23, 2, 0, 0.0), (24, 3, 2, 0.6667),
        )
    ]  # fmt: skip
    assert months == [
        DeliverabilityPoint(
            start=datetime(2026, 11, 1, tzinfo=UTC), total=10, delivered=5, bounced=2,
            complained=1, delivery_rate=0.5,
        )
    ]  # fmt: skip


def test_stats_series_of_a_template_leaves_empty_days_out(books: Books, database: Database) -> None:
    points = stats.list_template_series(
        database, "welcome", period="week", since=NOW - timedelta(days=12), until=NOW
    )

    def week(day: int, **counts: int) -> SeriesPoint:
        zero = {"sent": 0, "delivered": 0, "opened": 0, "clicked": 0, "bounced": 0}
        return SeriesPoint(
            start=datetime(2026, 11, day, tzinfo=UTC), totals=MailTotals(**(zero | counts))
        )

    assert points == [
        week(9, sent=1, bounced=1),
        week(16, sent=3, delivered=2, opened=1, clicked=1),
        week(23, sent=2, delivered=2, opened=2, clicked=1),
    ]


def test_stats_of_a_campaign_and_of_its_steps(database: Database) -> None:
    books = Books(database)
    books.mail("delivered", "sent", "delivered", "opened", campaign=CAMPAIGN,
               key=f"campaign:{CAMPAIGN}:0:a@x.test")  # fmt: skip
    books.mail("failed", campaign=CAMPAIGN, key=f"campaign:{CAMPAIGN}:1:a@x.test")
    books.mail(
        "sent", "sent", campaign=CAMPAIGN, key=f"campaign:{CAMPAIGN}:10:a@x.test", days_ago=0
    )
    books.mail("suppressed", campaign=CAMPAIGN)
    books.mail("sent", "sent", campaign=UUID(int=10))

    whole = stats.read_campaign_totals(database, CAMPAIGN)
    step = stats.read_campaign_totals(database, CAMPAIGN, step=1)

    assert whole == CampaignTotals(
        sends=3, delivered=1, opened=1, clicked=0, bounced=0, complained=0, failed=1, skipped=1,
        last_sent_at=NOW,
    )  # fmt: skip
    assert (step.sends, step.failed, step.last_sent_at) == (1, 1, None)


def test_stats_of_nothing_are_zero(database: Database) -> None:
    nothing = MailOverview(sent_24h=0, sent_7d=0, sent_30d=0, bounce_rate_30d=0, unsubscribe_rate=0)

    assert stats.read_overview(database, now=NOW) == nothing
    assert stats.list_template_totals(database) == []
    assert stats.read_campaign_totals(database, CAMPAIGN).sends == 0


def test_stats_of_links_keep_people_and_machines_apart(database: Database) -> None:
    books = Books(database)
    send_id = books.mail("sent", "sent")
    books.sql(
        "INSERT INTO tracked_links (email_send_id, position, original_url, click_count) VALUES "
        "(:id, 1, 'https://x.test/b', 0), (:id, 0, 'https://x.test/a', 3)",
        id=send_id,
    )
    books.sql(
        "INSERT INTO machine_hits (id, email_send_id, tracked_link_id, kind, reason) "
        "SELECT gen_random_uuid(), :id, id, 'click', 'bot' FROM tracked_links WHERE position = 1",
        id=send_id,
    )

    assert stats.list_link_hits(database, send_id) == [
        LinkHits(url="https://x.test/a", position=0, people=3, machines=0),
        LinkHits(url="https://x.test/b", position=1, people=0, machines=1),
    ]
