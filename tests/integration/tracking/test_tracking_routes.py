from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from hogsend.db import Database
from hogsend.kv.client import Kv
from hogsend.tracking.api import PIXEL
from hogsend.tracking.models import HitPolicy
from tests.integration.tracking.world import HOME, READER, World

pytestmark = pytest.mark.integration

SCANNERS: list[tuple[str, dict[str, str]]] = [
    ("HEAD", READER),
    ("GET", {"User-Agent": "Slackbot-LinkExpanding 1.0"}),
    ("GET", {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
    ("GET", {"User-Agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"}),
    ("GET", {"User-Agent": "facebookexternalhit/1.1"}),
    ("GET", {"User-Agent": "BarracudaCentral scanner"}),
    ("GET", {"User-Agent": "python-requests/2.32"}),
    ("GET", {"User-Agent": ""}),
    ("GET", READER | {"Purpose": "prefetch"}),
    ("GET", READER | {"Sec-Purpose": "prefetch;prerender"}),
    ("GET", READER | {"X-Moz": "prefetch"}),
    ("HEAD", {"User-Agent": "Mimecast"}),
]

# Fixed: test processes must agree on the names of tests.
_UNKNOWN = UUID("3f0c7a52-6f0e-4a53-9a43-0d5c2f6f1a11")


def test_follow_person_is_counted_redirected_and_promised(world: World) -> None:
    send, (link,) = world.send(["https://x.test/a?b=1&c=2#d"])

    first, second = world.click(link), world.click(link)

    assert (first.status_code, first.headers["location"]) == (302, "https://x.test/a?b=1&c=2#d")
    assert first.headers["cache-control"] == "no-store"
    assert second.status_code == 302
    assert world.sql("SELECT click_count FROM tracked_links") == [(2,)]
    assert world.sql(
        "SELECT status, clicked_at = (SELECT min(clicked_at) FROM link_clicks) FROM email_sends"
    ) == [("sent", True)]
    assert world.sql(
        "SELECT DISTINCT ip_address, user_agent, destination_url FROM link_clicks"
    ) == [("203.0.113.0", READER["User-Agent"], "https://x.test/a?b=1&c=2#d")]
    world.work()
    mail = {
        "emailSendId": str(send), "templateKey": "welcome", "journeyId": None,
        "campaignId": None, "linkUrl": "https://x.test/a?b=1&c=2#d", "linkId": str(link),
    }  # fmt: skip
    assert world.events() == [("email.link_clicked", "u1", mail)] * 2


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"/v1/t/c/{_UNKNOWN}", 302), ("/v1/t/c/nonsense", 302)],
)
def test_follow_unknown_link_leads_home(world: World, path: str, status: int) -> None:
    answer = world.get(path)

    assert (answer.status_code, answer.headers["location"]) == (status, HOME)


@pytest.mark.parametrize(
    ("stored", "location"),
    [
        ("https://münchen.test:8080/ü?q=ä b#ß",
         "https://xn--mnchen-3ya.test:8080/%C3%BC?q=%C3%A4%20b#%C3%9F"),
        ("https://x.test/a\r\nSet-Cookie: a=b", "https://x.test/aSet-Cookie:%20a=b"),
        ("https://x.test/100%/?a=%zz", "https://x.test/100%/?a=%zz"),
    ],
)  # fmt: skip
def test_follow_stored_url_is_made_fit_for_a_header(
    world: World, stored: str, location: str
) -> None:
    _, (link,) = world.send([stored])

    assert world.click(link).headers["location"] == location


def test_follow_by_scanners_of_every_kind_changes_nothing(world: World) -> None:
    send, links = world.send(
        ["https://x.test/a", "https://x.test/b", ("https://x.test/c", "nps", '{"value": 1}')]
    )
    before = world.state()

    answers = [
        world.click(link, headers, method=method)
        for _ in range(5)
        for method, headers in SCANNERS
        for link in links
    ]
    opens = [
        world.get(f"/v1/t/o/{send}", h, method=m) for m, h in SCANNERS if "Proxy" not in str(h)
    ]
    world.work()

    assert len(answers) >= 150
    assert {answer.status_code for answer in answers} == {302}
    assert {answer.status_code for answer in opens} == {200}
    assert world.state() == before
    assert world.sql("SELECT DISTINCT kind FROM machine_hits ORDER BY 1") == [("click",), ("open",)]


def test_follow_burst_of_an_honest_looking_scanner_is_taken_back(world: World) -> None:
    _, links = world.send([f"https://x.test/{n}" for n in range(5)])
    before = world.state()

    for _ in range(10):
        for link in links:
            assert world.click(link).status_code == 302
    world.work()

    assert world.state() == before
    assert world.sql("SELECT count(*) FROM machine_hits WHERE reason = 'burst'") == [(50,)]


def test_follow_burst_from_many_connections_is_taken_back(world: World) -> None:
    _, links = world.send([f"https://x.test/{n}" for n in range(6)])
    before = world.state()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(world.click, links))

    assert world.state() == before


def test_follow_click_before_a_burst_stays(world: World) -> None:
    _, links = world.send([f"https://x.test/{n}" for n in range(3)])
    world.click(links[0])
    world.sql("UPDATE link_clicks SET clicked_at = clicked_at - interval '1 minute'")
    world.sql("UPDATE email_sends SET clicked_at = (SELECT clicked_at FROM link_clicks)")

    for link in links:
        world.click(link)

    assert world.sql("SELECT click_count FROM tracked_links ORDER BY position") == [
        (1,),
        (0,),
        (0,),
    ]
    assert world.sql(
        "SELECT clicked_at = (SELECT clicked_at FROM link_clicks) FROM email_sends"
    ) == [(True,)]


def test_follow_event_waits_for_the_verdict(world: World) -> None:
    _, (link,) = world.send(["https://x.test/"])

    world.click(link)

    ((seconds,),) = world.sql("SELECT extract(epoch FROM available_at - created_at) FROM outbox")
    assert float(seconds) == pytest.approx(5, abs=0.1)


def test_open_person_is_first_touch_and_one_event_a_second(world: World) -> None:
    send, _ = world.send()

    answers = [world.get(f"/v1/t/o/{send}") for _ in range(3)]

    assert {(a.status_code, a.content) for a in answers} == {(200, PIXEL)}
    assert len(PIXEL) == 42
    headers = answers[0].headers
    assert headers["content-type"] == "image/gif"
    assert headers["cache-control"] == "no-store, no-cache, must-revalidate"
    assert (headers["pragma"], headers["expires"]) == ("no-cache", "0")
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    world.work()
    world.work()
    assert {event[0] for event in world.events()} == {"email.opened"}
    assert 1 <= len(world.events()) <= 2
    assert world.sql("SELECT status, opened_at IS NOT NULL FROM email_sends") == [("sent", True)]
    assert world.nudge.pokes >= 3


@pytest.mark.parametrize("path", [f"/v1/t/o/{_UNKNOWN}", "/v1/t/o/x"])
def test_open_unknown_send_is_a_pixel_too(world: World, path: str) -> None:
    answer = world.get(path)

    assert (answer.status_code, answer.content) == (200, PIXEL)
    assert world.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_open_by_apple_privacy_protection_is_flagged_only(world: World) -> None:
    send, _ = world.send()

    world.get(f"/v1/t/o/{send}", {"User-Agent": "Mozilla/5.0"})

    assert world.sql("SELECT opened_at, machine_opened_at IS NOT NULL FROM email_sends") == [
        (None, True)
    ]
    assert world.sql("SELECT kind, reason FROM machine_hits") == [("open", "apple_mpp")]
    assert world.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_open_through_a_proxy_that_loads_on_reading_is_a_person(world: World) -> None:
    send, _ = world.send()

    world.get(f"/v1/t/o/{send}", {"User-Agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"})

    assert world.sql("SELECT opened_at IS NOT NULL FROM email_sends") == [(True,)]


def test_hits_delivered_twice_make_one_event(world: World) -> None:
    _, (link,) = world.send(["https://x.test/"])
    world.click(link)
    rows = world.sql("SELECT payload FROM outbox")

    world.work()
    world.sql(
        "INSERT INTO outbox (topic, subject, payload) VALUES ('tracking.hit', 's', :payload)",
        payload=rows[0][0],
    )
    world.work()

    assert len(world.events()) == 1


def test_hits_of_an_address_without_contact_make_no_contact(world: World) -> None:
    _, (link,) = world.send(["https://x.test/"], user_id="ada@example.org")

    world.click(link)
    world.work()

    assert [(name, who) for name, who, _ in world.events()] == [
        ("email.link_clicked", "ada@example.org")
    ]
    assert world.sql("SELECT count(*) FROM contacts") == [(0,)]


def test_answer_is_confirmed_once_and_the_first_one_wins(world: World) -> None:
    send, (yes, no) = world.send(
        [
            ("https://x.test/", "poll.answered", '{"value": "yes"}'),
            ("https://x.test/", "poll.answered", '{"value": "no"}'),
        ]
    )
    world.click(yes)
    world.click(no)
    world.work()

    answers = [event for event in world.events() if event[0] == "poll.answered"]

    assert answers == [("poll.answered", "u1", {"value": "yes", "linkId": str(yes)})]
    assert world.sql("SELECT id FROM tracked_links WHERE semantic_emitted_at IS NOT NULL") == [
        (yes,)
    ]
    assert world.sql("SELECT idempotency_key FROM user_events WHERE event = 'poll.answered'") == [
        (f"sem:{send}:poll.answered",)
    ]


def test_answer_among_scanned_links_is_suppressed(database: Database, kv: Kv) -> None:
    world = World(database, kv, policy=HitPolicy(burst_seconds=0))
    _, links = world.send([(f"https://x.test/{n}", "nps", f'{{"value": {n}}}') for n in range(4)])

    for link in links:
        world.click(link)
    world.work()

    assert {event[0] for event in world.events()} == {"email.link_clicked"}


def test_answer_page_shows_and_stores_a_comment_once(world: World) -> None:
    _, (link, plain) = world.send(
        [("https://x.test/", "nps.submitted", '{"value": "<9>"}'), "https://x.test/b"]
    )

    page = world.get(f"/v1/t/a/{link}", READER | {"Accept-Language": "de-AT,en;q=0.5"})
    before = world.events()
    answers = [
        world.client.simulate_post(
            f"/v1/t/a/{link}",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=body,
        )
        for body in ("comment=first%21", "comment=second", "comment=", "comment=" + "a" * 2001)
    ]

    assert "Ihre Antwort:" in page.text
    assert "&lt;9&gt;" in page.text
    assert before == []
    assert {answer.status_code for answer in answers} == {200}
    assert world.events() == [
        (
            "nps.submitted.comment",
            "u1",
            {"value": "<9>", "comment": "first!", "parentEvent": "nps.submitted",
             "linkId": str(link)},
        )
    ]  # fmt: skip
    assert world.get(f"/v1/t/a/{plain}").status_code == 404
    assert world.get("/v1/t/a/nonsense").status_code == 404


def test_identity_token_is_added_for_people_and_exchanged(database: Database, kv: Kv) -> None:
    world = World(database, kv, adds_identity=True)
    send, (link,) = world.send(["https://x.test/?a=1#part"])

    location = world.click(link).headers["location"]
    bot = world.click(link, {"User-Agent": "Slackbot"}).headers["location"]
    token = location.partition("hs_t=")[2].partition("#")[0]
    answer = world.client.simulate_post("/v1/t/identify", json={"token": token})
    again = world.client.simulate_post("/v1/t/identify", json={"token": token})

    assert location.startswith("https://x.test/?a=1&hs_t=")
    assert location.endswith("#part")
    assert bot == "https://x.test/?a=1#part"
    assert answer.json == {
        "distinctId": "u1", "src": f"email:{send}", "emailSendId": str(send)
    }  # fmt: skip
    assert again.json == answer.json


@pytest.mark.parametrize("token", ["x", "a.b", "ä", "AAAA" * 20])
def test_identify_forged_token_is_refused(world: World, token: str) -> None:
    answer = world.client.simulate_post("/v1/t/identify", json={"token": token})

    assert (answer.status_code, answer.json) == (400, {})
