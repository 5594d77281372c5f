"""README.md, docs/getting-started.md, docs/deploying-scripts.md and the pages of two examples, followed to the letter against a real `evermoon dev`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.reader import Reader


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "docs/deploying-scripts.md"])
def test_a_reader_gets_what_the_page_says(page: str, tmp_path: Path) -> None:
    if "curl " in (ROOT / page).read_text() and shutil.which("curl") is None:
        pytest.skip("the page uses curl, which is not installed here")
    with Reader(tmp_path) as reader:
        for block in blocks(page):
            reader.follow(block)
        reader.finish()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("example", ["approvals", "inference"])
def test_a_reader_of_an_example_gets_what_its_page_says(example: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the page uses curl, which is not installed here")
    kept_out = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(ROOT / "entries" / example, tmp_path / "entries" / example, ignore=kept_out)
    with Reader(tmp_path) as reader:
        for block in blocks(f"docs/{example}.md"):
            reader.follow(block)
        reader.finish()


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "CONTRIBUTING.md"])
def test_no_block_is_left_out(page: str) -> None:
    unused = [
        str(block) for block in blocks(page) if block.language not in ("console", "sh", "text") and not block.info
    ]
    assert unused == []


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "CONTRIBUTING.md"])
def test_make_targets_exist(page: str) -> None:
    text = "".join(block.text for block in blocks(page) if block.language == "sh")
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"\bmake ([\w-]+)", text)
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
