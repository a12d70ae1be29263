"""Histories as text, read strictly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hogsend.errors import InvalidInput
from hogsend.testing import Deed
from hogsend.testing.histories_file import Occurrence, parse_deed, read_occurrences


@pytest.mark.parametrize(
    ("text", "deed"),
    [
        ("user.created", Deed(event="user.created")),
        ("+2d e n=3", Deed(event="e", properties={"n": 3}, after=timedelta(days=2))),
        (
            """+1h30m e yes=true no=null text=plain 'quoted="3"' 'list=[1, 2]' empty= a=b=c""",
            Deed(
                event="e",
                properties={
                    "yes": True,
                    "no": None,
                    "text": "plain",
                    "quoted": "3",
                    "list": [1, 2],
                    "empty": "",
                    "a": "b=c",
                },
                after=timedelta(minutes=90),
            ),
        ),
    ],
)
def test_deed_is_read_from_one_line(text: str, deed: Deed) -> None:
    assert parse_deed(text) == deed


@pytest.mark.parametrize("text", ["", "+2d", "+soon e", "key=value", "e loose", "e 'open", "e =1"])
def test_deed_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_deed(text)


def test_occurrences_are_read_in_order_of_time() -> None:
    lines = [
        "user_id,at,event,properties,email,timezone\n",
        'b,2026-01-02T00:00:00+02:00,late,"{""n"": 1}",b@x.co,Europe/Berlin\n',
        "a,2026-01-01,early,,,\n",
    ]

    assert read_occurrences(lines, source="f.csv") == [
        Occurrence(user_id="a", at=datetime(2026, 1, 1, tzinfo=UTC), event="early"),
        Occurrence(
            user_id="b",
            at=datetime(2026, 1, 1, 22, tzinfo=UTC),
            event="late",
            properties={"n": 1},
            email="b@x.co",
            timezone="Europe/Berlin",
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "f.csv:1: the columns are missing"),
        (["user_id,event\n"], "f.csv:1: the columns are user_id, event"),
        (["user_id,at,event,colour\n"], "f.csv:1: the columns"),
        (["user_id,at,event\n", "a,yesterday,e\n"], "f.csv:2: "),
        (["user_id,at,event\n", "a,2026-01-01,\n"], "f.csv:2: the row"),
        (["user_id,at,event\n", "a,2026-01-01,e,x\n"], "f.csv:2: the row"),
        (["user_id,at,event,properties\n", "a,2026-01-01,e,[1]\n"], "f.csv:2: properties"),
        (["user_id,at,event,properties\n", "a,2026-01-01,e,{\n"], "f.csv:2: "),
    ],
)
def test_occurrences_with_a_mistake_are_refused_with_the_line(
    lines: list[str], problem: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_occurrences(lines, source="f.csv")

    assert refused.value.message.startswith(problem)
