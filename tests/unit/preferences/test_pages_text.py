from __future__ import annotations

import re

import pytest

from hogsend.preferences.pages_text import TEXTS, choose_language


def test_texts_say_the_same_things_in_every_language() -> None:
    for language, texts in TEXTS.items():
        assert texts.keys() == TEXTS["en"].keys(), language
        for key, text in texts.items():
            names = re.findall(r"\{\w+\}", text)
            assert sorted(names) == sorted(re.findall(r"\{\w+\}", TEXTS["en"][key])), key


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"), ("", "en"), ("it", "en"), ("de", "de"), ("de-AT", "de"), ("DE-at", "de"),
        ("fr;q=0.2,es;q=0.9", "es"), ("it,fr;q=0.5", "fr"), ("de;q=0", "en"), ("de;q=x,fr", "fr"),
        ("*", "en"), ("a" * 5000, "en"), ("es,de", "es"),
    ],
)  # fmt: skip
def test_choose_language_follows_the_header(header: str | None, language: str) -> None:
    assert choose_language(header) == language
