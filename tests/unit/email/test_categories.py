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


def test_journey_in_a_list_that_is_left_out_is_refused_when_people_must_join() -> None:
    journeys = [("a", None), ("b", "news"), ("c", "tips"), ("d", "beta"), ("e", "nwes")]

    with pytest.raises(ConfigError) as caught:
        check_categories([], BOOK, journeys=journeys)

    problems = str(caught.value).partition(": ")[2]
    assert "journey d: 'beta' is a list people must join" in problems
    assert "journey e: 'nwes' is neither" in problems
    assert problems.count("journey ") == 2
