"""The rule book of identity, row by row, and as properties."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogsend.contacts.models import Candidate, KeyKind, Keys, Policy, keys_of
from hogsend.contacts.resolve import Observe, Refuse, Write, decide
from tests.unit.contacts.book import Book, person

ANY = Policy()
CLAMPED = Policy(anonymous_only=True)
OBSERVES = Policy(may_create=False)
CLAMPED_OBSERVES = Policy(may_create=False, anonymous_only=True)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a Write must look like; ids are the numbers of ``person``."""

    survivor: int | None
    losers: tuple[int, ...] = ()
    columns: str = ""
    aliases: str = ""
    adopt: tuple[str, ...] = ()
    skipped: str = ""


TABLE: dict[str, tuple[Keys, list[Candidate], Policy, Expected | str]] = {
    # Nobody there.
    "a user id alone is somebody new": (
        keys_of(user_id="U"), [], ANY,
        Expected(survivor=None, columns="external=U", aliases="external=U", adopt=("U",)),
    ),
    "an address alone is somebody new": (
        keys_of(email="E@X.co "), [], ANY,
        Expected(survivor=None, columns="email=e@x.co", aliases="email=e@x.co", adopt=("e@x.co",)),
    ),
    "all keys of somebody new fill their columns": (
        keys_of(user_id="U", email="e@x.co", anonymous_id="A", discord_id="D"), [], ANY,
        Expected(
            survivor=None,
            columns="external=U email=e@x.co anonymous=A discord=D",
            aliases="external=U email=e@x.co anonymous=A discord=D",
            adopt=("U", "e@x.co", "A"),
        ),
    ),
    "an observation of nobody makes nobody": (
        keys_of(user_id="U", anonymous_id="A"), [], OBSERVES, "observe U",
    ),
    "an anonymous observation is kept under its id": (
        keys_of(anonymous_id="A"), [], CLAMPED_OBSERVES, "observe A",
    ),
    "an observation claims no key": (
        keys_of(user_id="U", email="new@x.co"), [person(1, external="U", named_by="external")],
        OBSERVES, Expected(survivor=1),
    ),
    "an observation ties nobody together": (
        keys_of(user_id="U", email="e@x.co"),
        [
            person(1, external="U", named_by="external"),
            person(2, email="e@x.co", named_by="email", age_days=9),
        ],
        OBSERVES, Expected(survivor=1),
    ),
    # One person there.
    "an address-only person gains the user id": (
        keys_of(user_id="U", email="e@x.co"), [person(1, email="e@x.co", named_by="email")], ANY,
        Expected(survivor=1, columns="external=U", aliases="external=U", adopt=("U",)),
    ),
    "an anonymous person gains the user id": (
        keys_of(user_id="U", anonymous_id="A"), [person(1, anonymous="A", named_by="anonymous")],
        ANY, Expected(survivor=1, columns="external=U", aliases="external=U", adopt=("U",)),
    ),
    "nothing new changes nothing": (
        keys_of(user_id="U", email="e@x.co"),
        [person(1, external="U", email="e@x.co", named_by="external email")], ANY,
        Expected(survivor=1),
    ),
    "a second user id of an address becomes an alias": (
        keys_of(user_id="U1", email="e@x.co"),
        [person(2, external="U2", email="e@x.co", named_by="email")], ANY,
        Expected(survivor=2, aliases="external=U1", adopt=("U1",)),
    ),
    "a second address becomes an alias": (
        keys_of(user_id="U", email="e2@x.co"),
        [person(1, external="U", email="e1@x.co", named_by="external")], ANY,
        Expected(survivor=1, aliases="email=e2@x.co", adopt=("e2@x.co",)),
    ),
    "a row id is the person": (
        keys_of(user_id=str(UUID(int=1))), [person(1, email="e@x.co", named_by="external")], ANY,
        Expected(survivor=1),
    ),
    "an anonymous id that circulated as user id is promoted when asserted": (
        keys_of(user_id="A"), [person(1, anonymous="A", named_by="external", keyed_by="external")],
        ANY, Expected(survivor=1, columns="external=A", aliases="external=A"),
    ),
    "a key of somebody else under another kind is left to them": (
        keys_of(user_id="U", anonymous_id="V"),
        [
            person(1, external="U", named_by="external"),
            person(2, external="V", keyed_by="anonymous"),
        ],
        ANY, Expected(survivor=1, skipped="anonymous"),
    ),
    "a discord id is noted but has no history": (
        keys_of(user_id="U", discord_id="D"), [person(1, external="U", named_by="external")], ANY,
        Expected(survivor=1, columns="discord=D", aliases="discord=D"),
    ),
    # Several people there.
    "an anonymous person is merged into the user": (
        keys_of(user_id="U", anonymous_id="A"),
        [
            person(1, anonymous="A", named_by="anonymous", age_days=9),
            person(2, external="U", named_by="external"),
        ],
        ANY, Expected(survivor=2, losers=(1,)),
    ),
    "an address-only person is merged into the user": (
        keys_of(user_id="U", email="e@x.co"),
        [
            person(1, email="e@x.co", named_by="email", age_days=9),
            person(2, external="U", named_by="external"),
        ],
        ANY, Expected(survivor=2, losers=(1,)),
    ),
    "of two users the older survives": (
        keys_of(user_id="U1", email="e@x.co"),
        [
            person(1, external="U1", named_by="external"),
            person(2, external="U2", email="e@x.co", named_by="email", age_days=1),
        ],
        ANY, Expected(survivor=2, losers=(1,)),
    ),
    "of two of the same age the smaller id survives": (
        keys_of(email="e@x.co", anonymous_id="A"),
        [
            person(3, anonymous="A", named_by="anonymous"),
            person(2, email="e@x.co", named_by="email"),
        ],
        ANY, Expected(survivor=2, losers=(3,)),
    ),
    "three become one": (
        keys_of(user_id="U", email="e@x.co", anonymous_id="A"),
        [
            person(1, anonymous="A", named_by="anonymous", age_days=1),
            person(2, email="e@x.co", named_by="email", age_days=5),
            person(3, external="U", named_by="external"),
        ],
        ANY, Expected(survivor=3, losers=(2, 1)),
    ),
    # Shared browsers.
    "a browser does not tie two users together": (
        keys_of(user_id="U2", anonymous_id="A"),
        [
            person(1, external="U1", anonymous="A", named_by="anonymous", age_days=1),
            person(2, external="U2", named_by="external"),
        ],
        ANY, Expected(survivor=2, skipped="anonymous"),
    ),
    "a new user in somebody's browser is somebody new": (
        keys_of(user_id="U2", anonymous_id="A"),
        [person(1, external="U1", anonymous="A", named_by="anonymous")], ANY,
        Expected(survivor=None, columns="external=U2", aliases="external=U2", adopt=("U2",),
                 skipped="anonymous"),
    ),
    "an address without a user joins whoever has the browser": (
        keys_of(email="e@x.co", anonymous_id="A"),
        [
            person(1, external="U1", anonymous="A", named_by="anonymous"),
            person(2, email="e@x.co", named_by="email", age_days=1),
        ],
        ANY, Expected(survivor=1, losers=(2,)),
    ),
    # Callers without proof.
    "an anonymous caller reaches an anonymous person": (
        keys_of(anonymous_id="A"), [person(1, anonymous="A", named_by="anonymous")], CLAMPED,
        Expected(survivor=1),
    ),
    "an anonymous caller does not reach a user": (
        keys_of(anonymous_id="A"), [person(1, external="U", anonymous="A", named_by="anonymous")],
        CLAMPED, "refuse",
    ),
    "an anonymous caller does not reach an address": (
        keys_of(anonymous_id="A"), [person(1, email="e@x.co", anonymous="A", named_by="anonymous")],
        CLAMPED_OBSERVES, "refuse",
    ),
    "an anonymous caller cannot pass off a user id as a browser": (
        keys_of(anonymous_id="U"), [person(1, external="U", keyed_by="anonymous")], CLAMPED,
        "refuse",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_decision_table_row_decides(row: str) -> None:
    keys, candidates, policy, expected = TABLE[row]

    decision = decide(keys, candidates, policy)

    if isinstance(expected, str):
        found = f"observe {decision.key}" if isinstance(decision, Observe) else "refuse"
        assert isinstance(decision, Observe | Refuse)
        assert found == expected
        return
    assert isinstance(decision, Write)
    assert expected == Expected(
        survivor=None if decision.survivor is None else decision.survivor.id.int,
        losers=tuple(loser.id.int for loser in decision.losers),
        columns=" ".join(f"{kind}={value}" for kind, value in decision.columns),
        aliases=" ".join(f"{alias.kind}={alias.value}" for alias in decision.aliases),
        adopt=decision.adopt,
        skipped=" ".join(decision.skipped),
    )


def test_merged_keys_name_anonymous_and_row_ids_but_never_user_ids() -> None:
    candidates = [
        person(1, anonymous="A", named_by="anonymous", age_days=3),
        person(2, email="e@x.co", named_by="email", age_days=2),
        person(3, external="U3", discord="D", named_by="discord", age_days=1),
        person(4, external="U4", named_by="external", age_days=9),
    ]

    decision = decide(
        Keys(external="U4", email="e@x.co", anonymous="A", discord="D"), candidates, ANY
    )

    assert isinstance(decision, Write)
    assert set(decision.merged_keys) == {"A", str(UUID(int=2))}
    assert decision.merged_identified_keys == ("U3",)


def test_filling_in_a_user_id_names_the_old_key_as_merged() -> None:
    decision = decide(
        keys_of(user_id="U", anonymous_id="A"),
        [person(1, anonymous="A", named_by="anonymous")],
        ANY,
    )

    assert isinstance(decision, Write)
    assert decision.merged_keys == ("A",)


@pytest.mark.parametrize("blank", ["", " ", "\t\n", None])
def test_blank_keys_are_absent(blank: str | None) -> None:
    keys = keys_of(user_id=blank, email=blank, anonymous_id=blank, discord_id=blank)

    assert not keys
    assert list(keys.items()) == []


@given(st.permutations([person(n, named_by="email", age_days=n % 3) for n in range(1, 6)]))
def test_survivor_does_not_depend_on_the_order_of_rows(people: list[Candidate]) -> None:
    decision = decide(keys_of(email="e@x.co"), people, ANY)

    assert isinstance(decision, Write)
    assert decision.survivor is not None
    assert decision.survivor.id.int == 2
    assert [loser.id.int for loser in decision.losers] == [5, 1, 4, 3]


USERS = st.sampled_from(["u1", "u2", "u3", None])
EMAILS = st.sampled_from(["e1@x.co", "e2@x.co", "e3@x.co", None])
DISCORDS = st.sampled_from(["d1", "d2", None, None])
FACTS = st.lists(
    st.builds(lambda u, e, d: Keys(external=u, email=e, discord=d), USERS, EMAILS, DISCORDS).filter(
        bool
    ),
    min_size=1,
    max_size=8,
)


@given(FACTS.flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts))))
def test_any_order_of_facts_ends_in_the_same_people(orders: tuple[list[Keys], list[Keys]]) -> None:
    books = []
    for facts in orders:
        book = Book()
        for keys in facts:
            book.resolve(keys)
        books.append(book)

    assert books[0].partition() == books[1].partition()
    assert books[0].partition() == _connected(orders[0])


ONE_BROWSER_EACH = st.lists(
    st.sampled_from(["p", "q", "r"])
    .flatmap(
        lambda name: st.builds(
            lambda u, e, a: Keys(
                external=f"u-{name}" if u else None,
                email=f"{name}{e}@x.co" if e else None,
                anonymous=f"a-{name}{a}" if a else None,
            ),
            st.booleans(),
            st.integers(0, 2),
            st.integers(0, 2),
        )
    )
    .filter(bool),
    min_size=1,
    max_size=8,
)


@given(ONE_BROWSER_EACH.flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts))))
def test_any_order_with_browsers_of_one_person_each_ends_in_the_same_people(
    orders: tuple[list[Keys], list[Keys]],
) -> None:
    books = []
    for facts in orders:
        book = Book()
        for keys in facts:
            book.resolve(keys)
        books.append(book)

    assert books[0].partition() == books[1].partition() == _connected(orders[0])


BROWSER_FACTS = st.lists(
    st.builds(
        lambda u, a: Keys(external=u, anonymous=a),
        USERS,
        st.sampled_from(["a1", "a2", None]),
    ).filter(bool),
    min_size=1,
    max_size=10,
)


@given(BROWSER_FACTS)
def test_browsers_never_tie_two_users_together(facts: list[Keys]) -> None:
    book = Book()

    for keys in facts:
        book.resolve(keys)

    for group in book.partition():
        assert len([value for kind, value in group if kind == KeyKind.EXTERNAL]) <= 1


@given(BROWSER_FACTS)
def test_an_anonymous_caller_never_changes_an_identified_person(facts: list[Keys]) -> None:
    book = Book()
    for keys in facts:
        book.resolve(keys)
    identified = {one for one in book.people.values() if one.external_id is not None}

    for value in ("a1", "a2", "a3", "u1"):
        book.resolve(Keys(anonymous=value), CLAMPED)

    assert identified <= set(book.people.values())


def _connected(facts: list[Keys]) -> set[frozenset[tuple[str, str]]]:
    """Keys that some chain of facts ties together, by brute force."""
    groups = [{(kind.value, value) for kind, value in keys.items()} for keys in facts]
    merged = True
    while merged:
        merged = False
        for i, one in enumerate(groups):
            for other in groups[i + 1 :]:
                if one & other:
                    one |= other
                    groups.remove(other)
                    merged = True
                    break
            if merged:
                break
    return {frozenset(group) for group in groups}
