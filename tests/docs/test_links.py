"""Nothing in the documentation leads nowhere, and no page is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.docs.pages import DOCS, PAGES, ROOT, anchors_of, links_of, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = [link for link in links_of(page) if "://" not in link and not _resolves(page, link)]

    assert broken == []


def test_navigation_lists_every_page_once() -> None:
    listed = list(_leaves(_site()["nav"]))

    pages = [str(page.relative_to(DOCS)) for page in sorted(DOCS.rglob("*.md"))]
    single_decisions = [p for p in pages if p.startswith("adr/") and p != "adr/README.md"]
    assert sorted(listed) == sorted(set(pages) - set(single_decisions))


def test_list_of_decisions_names_every_decision() -> None:
    linked = {link.split("#")[0] for link in links_of(DOCS / "adr" / "README.md")}

    decisions = {page.name for page in (DOCS / "adr").glob("[0-9]*.md")}
    assert decisions - linked == set()


def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Strict: links and anchors must hold by the site's own rules, too."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-f", str(ROOT / "mkdocs.yml"), "-d", tmp_path],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deployment" / "index.html").is_file()


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors_of(target))


def _site() -> dict[str, Any]:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert isinstance(site, dict)
    return site


def _leaves(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item)
    elif isinstance(node, dict):
        for item in node.values():
            yield from _leaves(item)
