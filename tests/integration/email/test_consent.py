from __future__ import annotations

from uuid import UUID

import pytest

from hogsend.db import Database, Query
from hogsend.kernel.ids import uuid7
from hogsend.preferences import Consent, get_consent

pytestmark = pytest.mark.integration


def test_get_consent_of_a_stranger_allows_everything(database: Database) -> None:
    assert get_consent(database, "ada@example.org", category="news") == Consent()


def test_get_consent_sums_rows_of_address_and_contact(database: Database) -> None:
    contact = uuid7()
    database.run(
        Query.parse(
            "test",
            "INSERT INTO email_preferences (user_id, email, contact_id, categories) VALUES "
            "('u1', 'old@example.org', :contact, '{\"news\": false}'), "
            "('u2', 'ada@example.org', NULL, '{\"news\": true, \"tips\": false}')",
        ),
        contact=contact,
    )

    def refused(category: str, contact_id: UUID | None = None) -> bool:
        consent = get_consent(database, "ada@example.org", contact_id=contact_id, category=category)
        return consent.category_refused

    assert refused("news", contact)
    assert not refused("news")
    assert refused("tips")
