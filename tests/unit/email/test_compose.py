from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogsend.email.attachments import (
    MAX_BYTES,
    Attachment,
    AttachmentsUnsupported,
    InvalidAttachment,
    check_attachments,
)
from hogsend.email.compose import Composer, Letter, TestState, check_headers, to_wire_address
from hogsend.email.decorate import Addressee
from hogsend.email.models import SendRequest
from hogsend.email.policy import SendPolicy
from hogsend.email.providers.base import Capabilities
from hogsend.email.stored_request import from_stored, to_stored
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import InvalidInput
from hogsend.kernel.ids import uuid7
from hogsend.kernel.wire_json import dumps, loads
from tests.fakes.mail import FakeProvider

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ID = UUID(int=7)
REQUEST = SendRequest(template="t", to="ada@example.com", user_id="u1", category="news")


class Urls:
    def unsubscribe_url(self, person: Addressee) -> str | None:
        return f"https://x.example/u?{person.external_id}&{person.category}&{person.at:%d}"

    def preferences_url(self, person: Addressee) -> str | None:
        return f"https://x.example/p?{person.email}"


@pytest.fixture
def composer(tmp_path: Path) -> Composer:
    (tmp_path / "t.html").write_text(
        "---\nsubject: Hi {{ name | default('you') }}\ncategory: journey\n---\n"
        "<p>{{ name | default('you') }}</p><i>{{ unsubscribe_url }}|{{ unsubscribeUrl }}|"
        "{{ preferences_url }}</i>"
    )
    return Composer(
        templates=TemplateRegistry.load([tmp_path]),
        provider=FakeProvider(capabilities=Capabilities(attachments=True)),
        policy=SendPolicy(),
        sender="Us <us@example.com>",
        reply_to=("help@example.com",),
        urls=Urls(),
        new_id=uuid7,
    )


def compose(composer: Composer, request: SendRequest = REQUEST) -> Letter:
    return composer.compose(request, send_id=ID, at=NOW, now=NOW, test=TestState())


def test_letter_offers_the_way_out_in_body_and_headers(composer: Composer) -> None:
    letter = compose(composer)

    url = "https://x.example/u?u1&news&02"
    assert letter.mail.headers == {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    escaped = url.replace("&", "&amp;")
    assert f"{escaped}|{escaped}|https://x.example/p?ada@example.com" in letter.mail.html
    assert (letter.mail.unsubscribe_url, letter.reply_to) == (url, ("help@example.com",))


def test_letter_of_a_stranger_names_the_address_and_the_templates_category(
    composer: Composer,
) -> None:
    letter = compose(composer, replace(REQUEST, user_id=None, category=None))

    assert letter.mail.unsubscribe_url == "https://x.example/u?ada@example.com&journey&02"
    assert letter.send.category == "journey"


@pytest.mark.parametrize("name", ["List-Unsubscribe", "list-unsubscribe", "LIST-UNSUBSCRIBE"])
def test_letter_callers_own_header_wins_whatever_its_case(composer: Composer, name: str) -> None:
    letter = compose(composer, replace(REQUEST, headers={name: "<mailto:x@y.z>"}))

    assert letter.mail.headers == {name: "<mailto:x@y.z>"}


def test_letter_transactional_mail_cannot_be_left_but_shows_the_choices(
    composer: Composer,
) -> None:
    letter = compose(composer, replace(REQUEST, category="transactional"))

    assert letter.mail.headers == {}
    assert letter.mail.unsubscribe_url is None
    assert letter.mail.preferences_url is not None


def test_letter_without_preference_check_has_no_links_to_leave(composer: Composer) -> None:
    letter = compose(composer, replace(REQUEST, skip_preference_check=True))

    assert letter.mail.headers == {}
    assert "None|None|None" in letter.mail.html


def test_letter_props_of_the_author_win(composer: Composer) -> None:
    letter = compose(composer, replace(REQUEST, props={"unsubscribe_url": "https://own.example"}))

    assert "<i>https://own.example|https://x.example" in letter.mail.html


def test_letter_markup_in_props_stays_text(composer: Composer) -> None:
    letter = compose(composer, replace(REQUEST, props={"name": "<b>Eve</b>\r\nBcc: x@y.z"}))

    assert "<b>" not in letter.mail.html
    assert letter.send.subject == "Hi <b>Eve</b> Bcc: x@y.z"


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "not a sender"},
        {"sender": "A <a@b.co>\r\nBcc: eve@example.com"},
        {"reply_to": ("a@b.co\nBcc: eve@example.com",)},
        {"headers": {"X-A": "b\r\nBcc: eve@example.com"}},
        {"headers": {"X-A: b\r\nBcc": "eve@example.com"}},
        {"headers": {"Bcc": "eve@example.com"}},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"Idempotency-Key": "k"}},
        {"headers": {f"X-{n}": "v" for n in range(60)}},
        {"headers": {"X-Long": "v" * 3000}},
    ],
)
def test_letter_nothing_breaks_out_of_a_header(
    composer: Composer, change: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        compose(composer, replace(REQUEST, **change))  # type: ignore[arg-type]  # fields


@given(name=st.text(max_size=30), value=st.text(max_size=60))
def test_headers_that_pass_are_one_line(name: str, value: str) -> None:
    try:
        check_headers({name: value})
    except InvalidInput:
        return
    assert not set("\r\n\0") & set(name + value)
    assert ":" not in name


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("ada@..example", "ada@..example"),
        ("no address", "no address"),
    ],
)
def test_wire_address_table(given: str, wire: str) -> None:
    assert to_wire_address(given) == wire


FILE = Attachment(filename="a.txt", content=b"x", content_type="text/plain")


@pytest.mark.parametrize(
    "files",
    [
        [FILE] * 21,
        [replace(FILE, content=b"x" * (MAX_BYTES // 2 + 1))] * 2,
        [replace(FILE, filename="")],
        [replace(FILE, filename="x" * 256)],
        [replace(FILE, filename="a\r\nX: y")],
        [replace(FILE, content_type="text")],
        [replace(FILE, content_type="text/plain\r\nX: y")],
        [replace(FILE, content_type="multipart/mixed")],
        [replace(FILE, content_id="")],
        [replace(FILE, content_id="a\0")],
    ],
)
def test_attachments_limits(files: list[Attachment]) -> None:
    with pytest.raises(InvalidAttachment) as caught:
        check_attachments(files)

    assert caught.value.code == "invalid_attachment"


def test_attachments_at_the_limit_pass() -> None:
    check_attachments([FILE] * 20)
    check_attachments([replace(FILE, content=b"x" * MAX_BYTES)])


def test_letter_ledger_keeps_name_size_and_type_of_files_only(composer: Composer) -> None:
    letter = compose(composer, replace(REQUEST, attachments=(FILE,)))

    assert letter.send.metadata == {
        "attachments": [{"filename": "a.txt", "size": 1, "contentType": "text/plain"}]
    }
    assert letter.send.request is None


def test_letter_provider_without_files_refuses_them(composer: Composer) -> None:
    with pytest.raises(AttachmentsUnsupported):
        compose(replace(composer, provider=FakeProvider()), replace(REQUEST, attachments=(FILE,)))


def test_stored_request_comes_back_equal() -> None:
    request = replace(
        REQUEST,
        props={"a": [1, {"b": None}]},
        reply_to=("a@b.co",),
        headers={"X": "y"},
        tags={"t": "v"},
        contact_id=uuid7(),
        journey_state_id=uuid7(),
        journey_id="j",
        min_gap=timedelta(hours=3),
        timezone="Europe/Berlin",
        skip_preference_check=True,
        track=False,
        metadata={"m": 1},
        idempotency_key="k",
    )

    stored = loads(dumps(to_stored(request)))

    assert isinstance(stored, dict)
    assert from_stored(stored, idempotency_key="k") == request
