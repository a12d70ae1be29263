from __future__ import annotations

import pytest

from hogsend.errors import ConfigError, NotFound
from hogsend.preferences.lists import IN_APP, SMS, ListRegistry, define_list

DIGEST = define_list("digest", name="Digest")
BETA = define_list("beta", name="Beta", default_opt_in=False)


@pytest.mark.parametrize(
    "list_id", ["", "a b", "ä", "a" * 65, "Transactional", "journey", "in_app"]
)
def test_list_with_a_bad_or_reserved_id_is_refused(list_id: str) -> None:
    with pytest.raises(ConfigError):
        define_list(list_id, name="x")


def test_list_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError):
        define_list("a", name=" ")


@pytest.mark.parametrize(
    ("categories", "digest", "beta"),
    [
        ({}, True, False),
        ({"digest": False}, False, False),
        ({"beta": True}, True, True),
        ({"beta": False, "digest": True}, True, False),
    ],
)
def test_polarity_follows_the_default(
    categories: dict[str, bool], digest: bool, beta: bool
) -> None:
    assert DIGEST.is_subscribed(categories) is digest
    assert BETA.is_subscribed(categories) is beta


def test_registry_filters_topics_and_keeps_channels() -> None:
    registry = ListRegistry([DIGEST, BETA], enabled=["beta"], channels=(IN_APP, SMS))

    assert [found.id for found in registry.all()] == ["beta", "in_app", "sms"]
    assert registry.find("digest") is None
    with pytest.raises(NotFound, match="Unknown list: digest"):
        registry.get("digest")


def test_registry_leaves_out_lists_that_are_switched_off() -> None:
    off = define_list("off", name="Off", enabled=False)

    assert ListRegistry([off], channels=()).all() == []


def test_registry_refuses_an_id_twice() -> None:
    with pytest.raises(ConfigError, match="declared twice"):
        ListRegistry([DIGEST, DIGEST])
    with pytest.raises(ConfigError, match="declared twice"):
        ListRegistry([define_list("sms", name="x")], channels=(SMS,))


def test_registry_knows_which_categories_need_a_yes() -> None:
    registry = ListRegistry([DIGEST, BETA])

    assert [registry.is_opt_in(c) for c in ("digest", "beta", "unknown", None)] == [
        False,
        True,
        False,
        False,
    ]
