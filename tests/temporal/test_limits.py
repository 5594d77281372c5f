"""The limits of a server, as they are counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from temporalio.api.common.v1 import SearchAttributes

from runtime import limits
from runtime.errors import Error
from runtime.payload import Payload
from runtime.temporal import search_attributes

ROOT = Path(__file__).parents[2]


def _attributes(count: int, size: int) -> SearchAttributes:
    attributes = SearchAttributes()
    for number in range(count):
        attributes.indexed_fields[f"K{number}"].data = b"x" * size
    return attributes


@pytest.mark.parametrize(
    ("count", "size", "text"),
    [
        (1, 2049, 'search attribute "K0": 2049 bytes as JSON are more than Temporal takes (2048 bytes)'),
        (101, 1, "101 search attributes are more than Temporal takes (100)"),
        (25, 2000, "bytes are more than Temporal takes together (36864 bytes)"),
    ],
)
def test_search_attributes_are_limited_together(count: int, size: int, text: str) -> None:
    with pytest.raises(Error, match=re.escape(text)) as refused:
        search_attributes.check_size(_attributes(count, size))
    assert refused.value.kind == "Invalid"
    search_attributes.check_size(_attributes(18, 1900))


def test_a_name_is_measured_in_bytes() -> None:
    limits.check_name("topic", "x" * 1000)
    limits.check_name("topic", "ä" * 500)
    for name in ("x" * 1001, "ä" * 501):
        with pytest.raises(Error, match="are more than Temporal takes in a name"):
            limits.check_name("topic", name)


def test_a_value_in_a_store_counts_by_its_reference() -> None:
    large = [Payload.of("x" * 3_000_000)] * 3
    limits.check_size("values", large, stored=1000)
    with pytest.raises(Error, match="3 values of 9000006 bytes are more than Temporal takes at once"):
        limits.check_size("values", large)
    assert limits.weight(large, 1000) == 3 * limits.REFERENCE


def test_each_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "limits.md").read_text()))
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in named if f"def {name}(" not in sources} == set()
    assert len(named) > 8
