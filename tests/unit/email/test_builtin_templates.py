from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hogsend.email.templates.lint import lint_all
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonValue

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = TemplateRegistry.load()
THIRTEEN = (
    "activation-community",
    "activation-feature-highlight",
    "activation-nudge",
    "activation-quickstart",
    "churn-payment-failed",
    "conversion-trial-expiring",
    "conversion-usage-milestone",
    "conversion-winback-offer",
    "feedback-nps-survey",
    "reactivation-checkin",
    "reactivation-final-nudge",
    "retention-achievement",
    "retention-weekly-digest",
)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=y>'

CANDIDATES: list[JsonValue] = [HOSTILE, [HOSTILE], [{"label": HOSTILE, "value": HOSTILE}]]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("key", [*THIRTEEN, "welcome", "getting-started"])
def test_template_looks_as_recorded(key: str) -> None:
    mail = TEMPLATES.preview(key)
    text = f"Subject: {mail.subject}\nPreview: {mail.preview}\n\n{mail.text}\n"
    if os.environ.get("HOGSEND_TEST_UPDATE_GOLDEN"):
        (GOLDEN / f"{key}.html").write_text(mail.html + "\n", encoding="utf-8")
        (GOLDEN / f"{key}.txt").write_text(text, encoding="utf-8")

    assert (GOLDEN / f"{key}.txt").read_text(encoding="utf-8") == text
    assert (GOLDEN / f"{key}.html").read_text(encoding="utf-8") == mail.html + "\n"


@pytest.mark.parametrize("key", THIRTEEN)
def test_template_without_any_props_is_complete(key: str) -> None:
    mail = TEMPLATES.render(key, {})

    assert mail.subject
    assert mail.preview
    assert mail.text
    assert "None" not in mail.html
    assert mail.html.count("<h1") == 1
    assert mail.category == ("transactional" if key == "churn-payment-failed" else "journey")


@pytest.mark.parametrize("key", THIRTEEN)
def test_template_hostile_props_stay_text(key: str) -> None:
    definition = TEMPLATES.get_definition(key)
    props: dict[str, JsonValue] = {}
    for name in definition.props.names:
        for candidate in CANDIDATES:
            try:
                definition.props.check(key, {name: candidate})
            except InvalidInput:
                continue
            props[name] = candidate
            break
    clean, hostile = Tags(), Tags()

    clean.feed(TEMPLATES.preview(key).html)
    mail = TEMPLATES.preview(key, props)
    hostile.feed(mail.html)

    assert props
    assert "script" not in hostile.found
    assert "img" not in hostile.found
    assert hostile.attributes <= clean.attributes
    assert "<script>" not in mail.html


def test_template_links_refuse_code() -> None:
    with pytest.raises(InvalidInput, match="returnUrl") as caught:
        TEMPLATES.render("reactivation-checkin", {"returnUrl": "javascript:alert(1)"})

    assert caught.value.code == "invalid_template_props"


def test_every_builtin_template_passes_its_own_checks() -> None:
    assert lint_all(TEMPLATES) == []


def test_survey_has_eleven_answers_that_say_what_they_mean() -> None:
    html = TEMPLATES.render("feedback-nps-survey", {}).html
    own = TEMPLATES.render("feedback-nps-survey", {"surveyUrl": "https://a.b/s?x=1"}).html

    assert html.count('data-hs-event="nps.submitted"') == 11
    assert "{&quot;score&quot;: 10}" in html
    assert 'href="https://a.b/s?x=1&amp;score=0"' in own


def test_final_nudge_offers_the_way_out_in_the_text_itself() -> None:
    url = "https://example.com/u"

    mail = TEMPLATES.render("reactivation-final-nudge", {"unsubscribe_url": url})

    assert mail.html.count(f'href="{url}"') == 2
