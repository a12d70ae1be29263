from __future__ import annotations

import pytest

from hogsend.email.categories import CategoryBook, check_categories
from hogsend.email.templates.models import TemplateDefinition
from hogsend.errors import ConfigError

BOOK = CategoryBook(
    builtin=["journey", "transactional"],
    topics=["news"],
    channels=["sms"],
    disabled=[("beta", True), ("tips", False)],
)


def template(category: str | None) -> TemplateDefinition:
    return TemplateDefinition(key="t", subject="s", category=category)


@pytest.mark.parametrize("category", [None, "journey", "transactional", "news", "tips"])
def test_categories_that_may_be_used(category: str | None) -> None:
    check_categories([template(category)], BOOK)


@pytest.mark.parametrize("category", ["sms", "beta", "nwes"])
def test_categories_that_stop_the_process(category: str) -> None:
    with pytest.raises(ConfigError, match=f"t: '{category}'"):
        check_categories([template("news"), template(category)], BOOK)
