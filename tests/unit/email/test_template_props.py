from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from hogsend.email.templates.props import parse_props
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.email.templates.reload import ReloadingTemplates
from hogsend.errors import ConfigError, InvalidInput

TYPED = """
name: text = "there"
# a comment
count: integer
upgradeUrl?: url
rows: list of {label: text, value: text, change?: text} = []
"""


def test_props_defaults_and_conversions() -> None:
    props = parse_props(TYPED, file="t.html")

    checked = props.check("t", {"count": "3", "extra": 1, "rows": [{"label": "a", "value": 2}]})

    assert props.required == ("count",)
    assert checked == {
        "name": "there",
        "count": 3,
        "upgradeUrl": None,
        "rows": [{"label": "a", "value": "2", "change": None}],
        "extra": 1,
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"count": "many"}, "count"),
        ({"count": 1, "upgradeUrl": "javascript:x"}, "upgradeUrl"),
        ({"count": 1, "upgradeUrl": "/relative"}, "upgradeUrl"),
        ({"count": 1, "upgradeUrl": "https://a.b/\nBcc: x"}, "upgradeUrl"),
        ({"count": 1, "rows": [{"label": "a"}]}, r"rows\.0\.value"),
        ({"count": 1, "rows": "no"}, "rows"),
        ({}, "needs count"),
    ],
)
def test_props_wrong_values_name_the_property(given: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse_props(TYPED, file="t.html").check("t", given)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    "text",
    ["a: colour\n", "1a: text\n", "a: text = there\n", "a: text = 3 4\n", "a: text\na: text\n"],
)
def test_props_wrong_declaration_stops_the_process(text: str) -> None:
    with pytest.raises(ConfigError, match=r"t\.html"):
        parse_props(text, file="t.html")


def test_props_model_in_python_replaces_the_declaration(tmp_path: Path) -> None:
    class Plan(BaseModel):
        plan: str
        seats: int = 1

    (tmp_path / "p.html").write_text("---\nsubject: Hi\n---\n{{ plan }} {{ seats }}")
    registry = TemplateRegistry.load([tmp_path], models={"p": Plan})

    assert registry.render("p", {"plan": "pro"}).html == "pro 1"
    with pytest.raises(InvalidInput, match="needs plan"):
        registry.render("p", {})


def test_preview_prefers_props_to_examples_to_stand_ins(tmp_path: Path) -> None:
    (tmp_path / "p.html").write_text(
        '---\nsubject: Hi\nexamples: {"plan": "pro", "city": "Bonn"}\n---\n'
        "{{ name }} {{ plan }} {{ city }}"
    )
    registry = TemplateRegistry.load([tmp_path])

    assert registry.preview("p", {"city": "Ulm"}).html == "there pro Ulm"


def test_reloading_templates_follow_their_files_and_survive_a_mistake(tmp_path: Path) -> None:
    now = [0.0]
    file = tmp_path / "p.html"
    file.write_text("---\nsubject: Hi\n---\none")
    templates = ReloadingTemplates([tmp_path], ticks=lambda: now[0])

    def change(text: str) -> str:
        file.write_text(f"---\nsubject: Hi\n---\n{text}")
        now[0] += 1
        return templates.render("p", {}).html

    assert templates.render("p", {}).html == "one"
    assert change("second") == "second"
    assert change("{% broken") == "second"
    assert change("the third") == "the third"
    (tmp_path / "new.html").write_text("---\nsubject: Hi\n---\nnew")
    now[0] += 1
    assert templates.render("new", {}).html == "new"
