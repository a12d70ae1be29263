"""200 people wait while the worker is killed with -9 again and again: 200 mails, no more."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.acceptance.instance import Instance, kill_group

pytestmark = [pytest.mark.integration, pytest.mark.slow]

_PEOPLE = 200
_DEADLINE_SECONDS = 240


def test_worker_killed_every_second_sends_each_person_one_mail(instance: Instance) -> None:
    instance.start_api()
    events = [
        {
            "name": "nap.wanted",
            "userId": f"c{n}",
            "email": f"c{n}@people.test",
            "eventProperties": {"seconds": 1 + n % 7},
        }
        for n in range(_PEOPLE)
    ]
    for start in range(0, _PEOPLE, 50):
        answer = instance.post("/v1/events/batch", {"events": events[start : start + 50]})
        assert answer.status == 202, answer.data

    kills = 0
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while instance.states() != {"completed": _PEOPLE} and time.monotonic() < deadline:
        worker = instance.start_worker()
        time.sleep(1)
        kill_group(worker)
        kills += 1

    assert instance.states() == {"completed": _PEOPLE}, f"after {kills} kills"
    per_person = Counter(str(m["To"]) for m in instance.mails())
    assert len(per_person) == _PEOPLE
    assert set(per_person.values()) == {1}
    print(f"{_PEOPLE} enrollments, {kills} kills, {sum(per_person.values())} mails")
