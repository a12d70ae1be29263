"""Every artefact has a page that takes its reader from secrets to rollback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, links_of, name_of

ARTEFACTS = sorted(path.name for path in (ROOT / "deploy").iterdir() if path.is_dir())
DEPLOY_PAGES = sorted((DOCS / "deploy").glob("*.md"))
_FILE = re.compile(
    r"(?<![\w/.-])(?:deploy|docker|hogsend|migrations|requirements|tests)/[\w./@-]+\.\w+\b"
)
_TARGET = re.compile(r"\]\([^)]*\)")
# What an operator does with any installation, by a word that its page cannot do without.
_STEPS = {
    "secrets": r"secret|BETTER_AUTH_SECRET",
    "migration": r"\bmigrat",
    "first administrator": r"STUDIO_ADMIN_EMAIL|studio admin create",
    "check": r"hogsend\.pyz doctor",
    "logs": r"(?i)\blogs?\b",
    "upgrade": r"(?i)upgrade|deploy",
    "rollback": r"(?i)rollback|rolls? back",
}


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_artefact_has_its_page(artefact: str) -> None:
    assert (DOCS / "deploy" / f"{artefact}.md").is_file()


@pytest.mark.parametrize("page", DEPLOY_PAGES, ids=name_of)
def test_page_is_linked_from_the_overview_and_leaves_no_step_out(page: Path) -> None:
    text = page.read_text("utf-8")

    missing = [step for step, words in _STEPS.items() if not re.search(words, text)]

    assert missing == []
    assert f"deploy/{page.name}" in links_of(DOCS / "deployment.md")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_file_named_on_the_page_exists(page: Path) -> None:
    text = _TARGET.sub("", page.read_text("utf-8"))

    missing = [path for path in sorted(set(_FILE.findall(text))) if not (ROOT / path).exists()]

    assert missing == []
