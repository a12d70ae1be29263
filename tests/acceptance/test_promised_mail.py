"""``POST /v1/emails`` through real processes: promised, sent once, with a way out and our links."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
import urllib3

from hogsend.db import Query
from tests.acceptance.instance import Instance
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BODY = {
    "to": "ada@example.org",
    "template": "retention-weekly-digest",
    "props": {"name": "Ada", "dashboardUrl": "https://example.com/studio?a=1&b=2"},
    "idempotencyKey": "digest-1",
}
STATUS = Query("status", "SELECT status, request FROM email_sends")


def mails(instance: Instance) -> list[EmailMessage]:
    found = []
    for file in sorted(instance.mail.glob("*.eml")):
        mail = message_from_bytes(file.read_bytes(), policy=default)
        assert isinstance(mail, EmailMessage)
        found.append(mail)
    return found


def test_promised_mail_survives_a_killed_worker_and_arrives_once(instance: Instance) -> None:
    instance.start_api()
    first, second = instance.post("/v1/emails", BODY), instance.post("/v1/emails", BODY)
    answers = [json.loads(first.data), json.loads(second.data)]
    worker = instance.start_worker()
    worker.kill()
    worker.wait()
    instance.start_worker()

    # Killed in the middle of a hand-over, the mail stays claimed for two minutes: longer than any
    # call of a provider, so that nobody else hands it over meanwhile.
    wait_until(
        lambda: instance.database.run(STATUS) == [("sent", None)],
        seconds=180,
        what=lambda: f"the mail is sent\n{instance.log('worker')}",
    )

    (mail,) = mails(instance)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert (first.status, second.status) == (202, 202)
    assert answers[0]["status"] == "queued"
    assert answers[0]["emailSendId"] == answers[1]["emailSendId"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(r"<https?://\S+/v1/email/unsubscribe\?token=\S+>", mail["List-Unsubscribe"])
    assert "Hi Ada" in text.get_content()
    link = re.search(r'href="[^"]*(/v1/t/c/[0-9a-f-]{36})"', html.get_content())
    assert link is not None
    answer = urllib3.PoolManager(retries=False).request(
        "GET", f"http://127.0.0.1:{instance.port}{link.group(1)}", redirect=False
    )
    assert answer.headers["Location"] == BODY["props"]["dashboardUrl"]  # type: ignore[index]  # props
