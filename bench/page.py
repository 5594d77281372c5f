"""The block of results in a page, which a run of the bench replaces."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- results: written by `python -m bench --page` -->", "<!-- end of results -->"


def refresh(page: Path, block: str) -> None:
    """Puts `block` between the marks; what stands around them stays. Raises `ValueError` when the page has not both, in order."""
    text = page.read_text(encoding="utf-8")
    begin, end = text.find(BEGIN), text.find(END)
    if not 0 <= begin < end:
        raise ValueError(f"{page} has no block between {BEGIN} and {END}")
    page.write_text(f"{text[:begin]}{BEGIN}\n\n{block}\n{text[end:]}", encoding="utf-8")
