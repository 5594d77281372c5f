"""Pages link to each other, and to nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, prose

_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """File and anchor of each relative link."""
    for found in _LINK.finditer(prose(page)):
        target = found["target"]
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield ((page.parent / path).resolve() if path else page), anchor


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", _NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    dead = [
        f"{path.name}#{anchor}"
        for path, anchor in links(ROOT / name)
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path))
    ]
    assert dead == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.exists():
            reached.add(page)
            waiting.extend(path for path, _ in links(page))
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []


def test_the_index_lists_every_page_of_the_documentation() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {path for page in (index, ROOT / "docs" / "registry.md") for path, _ in links(page)}
    assert [str(page.relative_to(ROOT)) for page in PAGES if index.parent in page.parents and page not in listed] == [
        "docs/README.md"
    ]
