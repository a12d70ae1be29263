from __future__ import annotations

from pathlib import Path

import pytest

from hogsend.email.templates import TemplateError, UnknownTemplate
from hogsend.email.templates.registry import TemplateRegistry
from hogsend.errors import ConfigError, InvalidInput


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def load(root: Path, **files: str) -> TemplateRegistry:
    for name, text in files.items():
        write(root, f"{name}.html", text)
    return TemplateRegistry.load([root])


HEAD = "---\nsubject: Hello {{ name }}\ncategory: news\npreview: For {{ name }}\n---\n"


def test_render_complete_template_yields_subject_html_text_and_category(tmp_path: Path) -> None:
    registry = load(tmp_path, hello=HEAD + "<h1>Hi {{ name }}</h1><p>a <a href='/x'>b</a></p>")

    mail = registry.render("hello", {"name": "Ada & Co"})

    assert mail.subject == "Hello Ada & Co"
    assert mail.html == "<h1>Hi Ada &amp; Co</h1><p>a <a href='/x'>b</a></p>"
    assert mail.text == "Hi Ada & Co\n\na b (/x)"
    assert (mail.category, mail.preview) == ("news", "For Ada & Co")


def test_render_markup_in_props_is_escaped(tmp_path: Path) -> None:
    registry = load(tmp_path, hello=HEAD + "<p>{{ name }}</p>")

    mail = registry.render("hello", {"name": "<script>x</script>"})

    assert "<script>" not in mail.html


def test_render_line_breaks_in_subject_become_spaces(tmp_path: Path) -> None:
    registry = load(tmp_path, hello=HEAD + "<p>x</p>")

    mail = registry.render("hello", {"name": "Ada\r\nBcc: eve@example.com"})
    given = registry.render("hello", {"name": "Ada"}, subject="A\nB {{ name }}")

    assert mail.subject == "Hello Ada Bcc: eve@example.com"
    assert given.subject == "A B {{ name }}"


def test_render_missing_variable_names_template_line_and_variable(tmp_path: Path) -> None:
    registry = load(tmp_path, hello="---\nsubject: Hi\n---\n<p>ok</p>\n<p>{{ plan }}</p>\n")

    with pytest.raises(TemplateError) as caught:
        registry.render("hello", {})

    error = caught.value
    assert (error.template, error.line, error.variable) == ("hello", 5, "plan")
    assert "hello.html, line 5" in str(error)
    assert "'plan'" in str(error)


def test_render_missing_attribute_names_the_attribute(tmp_path: Path) -> None:
    registry = load(tmp_path, hello="---\nsubject: Hi\n---\n{{ person.city }}")

    with pytest.raises(TemplateError) as caught:
        registry.render("hello", {"person": {"name": "Ada"}})

    assert caught.value.variable == "city"


def test_render_missing_variable_in_subject_says_subject(tmp_path: Path) -> None:
    registry = load(tmp_path, hello=HEAD + "x")

    with pytest.raises(TemplateError, match=r"\(subject\): 'name' is undefined"):
        registry.render("hello", {})


def test_render_failing_expression_in_partial_names_the_partial_and_its_line(
    tmp_path: Path,
) -> None:
    write(tmp_path, "_part.html", "<p>\n{{ 1 / zero }}\n</p>")
    registry = load(tmp_path, hello='---\nsubject: Hi\n---\n{% include "_part.html" %}')

    with pytest.raises(TemplateError, match=r"_part\.html, line 2\): division by zero") as caught:
        registry.render("hello", {"zero": 0})

    assert caught.value.variable is None


@pytest.mark.parametrize(
    "body",
    [
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ name.format.__globals__ }}",
        "{{ items.append(1) }}",
    ],
)
def test_render_escape_from_the_sandbox_is_refused(tmp_path: Path, body: str) -> None:
    registry = load(tmp_path, hello=HEAD + body)

    with pytest.raises(TemplateError):
        registry.render("hello", {"name": "x", "items": []})


def test_render_required_prop_missing_is_invalid_input(tmp_path: Path) -> None:
    registry = load(tmp_path, hello="---\nsubject: Hi\nprops: plan, seats, note?\n---\nx")

    with pytest.raises(InvalidInput, match="needs seats") as caught:
        registry.render("hello", {"plan": "pro"})

    assert caught.value.code == "missing_template_props"


def test_render_unknown_key_lists_known_keys(tmp_path: Path) -> None:
    registry = load(tmp_path, hello=HEAD + "x")

    with pytest.raises(UnknownTemplate, match=r"getting-started, hello, .*welcome"):
        registry.render("__class__", {})


def test_registry_content_overrides_builtin_and_nested_keys_work(tmp_path: Path) -> None:
    write(tmp_path, "welcome.html", "---\nsubject: Ours\n---\nours")
    write(tmp_path, "activation/nudge.html", "---\nsubject: N\n---\nnudge")

    registry = TemplateRegistry.load([tmp_path])

    assert {"activation/nudge", "getting-started", "welcome"} <= set(registry.keys())
    assert registry.render("welcome", {}).html == "ours"
    assert registry.render("activation/nudge", {}).html == "nudge"


def test_registry_text_file_replaces_derived_text(tmp_path: Path) -> None:
    write(tmp_path, "hello.txt", "Plain & simple: {{ name }}\n")
    registry = load(tmp_path, hello=HEAD + "<p>html</p>")

    assert registry.render("hello", {"name": "A&B"}).text == "Plain & simple: A&B"


def test_registry_mjml_template_is_compiled_and_escaped(tmp_path: Path) -> None:
    write(
        tmp_path,
        "hello.mjml",
        "---\nsubject: Hi\n---\n<mjml><mj-body><mj-section><mj-column>"
        "<mj-text>Hi {{ name }}</mj-text></mj-column></mj-section></mj-body></mjml>",
    )

    mail = TemplateRegistry.load([tmp_path]).render("hello", {"name": "<b>"})

    assert "<table" in mail.html
    assert "mj-text" not in mail.html
    assert "Hi &lt;b&gt;" in mail.html
    assert mail.text == "Hi <b>"


def test_registry_malformed_mjml_is_a_template_error(tmp_path: Path) -> None:
    write(tmp_path, "hello.mjml", "---\nsubject: Hi\n---\n<mjml><mj-body>")

    with pytest.raises(TemplateError, match=r"hello\.mjml"):
        TemplateRegistry.load([tmp_path]).render("hello", {})


def test_render_style_block_is_inlined_and_media_query_kept(tmp_path: Path) -> None:
    css = "<style>p { color: red } @media (max-width: 1px) { p { color: blue } }</style>"
    registry = load(tmp_path, hello=f"---\nsubject: Hi\n---\n<html><head>{css}</head><p>x</p>")

    html = registry.render("hello", {}).html

    assert '<p style="color: red;">' in html
    assert "@media" in html


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<p>no head</p>", "has no subject"),
        ("---\nsubject: Hi\ncolour: red\n---\nx", r"line 3: 'colour: red' is not front matter"),
        ("---\nsubject: Hi\n---\n<p>\n{% if %}\n", r"bad\.html, line 5"),
        ("---\nsubject: Hi {{\n---\nx", r"bad\.html"),
    ],
)
def test_registry_broken_template_stops_the_process(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, bad=text)


def test_registry_lonely_text_file_stops_the_process(tmp_path: Path) -> None:
    write(tmp_path, "alone.txt", "x")

    with pytest.raises(ConfigError, match=r"alone\.txt has no"):
        TemplateRegistry.load([tmp_path])


def test_registry_two_bodies_for_one_key_stop_the_process(tmp_path: Path) -> None:
    write(tmp_path, "twice.mjml", HEAD + "<mjml/>")

    with pytest.raises(ConfigError, match="both an"):
        load(tmp_path, twice=HEAD + "x")


def test_registry_missing_directory_stops_the_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        TemplateRegistry.load([tmp_path / "nowhere"])


@pytest.mark.parametrize("key", ["welcome", "getting-started"])
def test_builtin_template_without_props_is_complete_and_accessible(key: str) -> None:
    mail = TemplateRegistry.load().render(key, {})

    assert mail.subject
    assert mail.preview
    assert mail.preview in mail.html
    assert mail.preview not in mail.text
    assert '<html lang="en"' in mail.html
    assert mail.html.count("<h1") == 1
    assert mail.html.count("<table") == mail.html.count('role="presentation"')
    assert "{{" not in mail.html + mail.text


def test_builtin_welcome_with_props_greets_and_links() -> None:
    mail = TemplateRegistry.load().render(
        "welcome", {"name": "Ada", "ctaUrl": "https://example.com/?a=1&b=2"}
    )

    assert mail.subject == "Welcome, Ada"
    assert 'href="https://example.com/?a=1&amp;b=2"' in mail.html
    assert "(https://example.com/?a=1&b=2)" in mail.text
