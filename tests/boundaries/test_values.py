"""Values keep their exact form across every boundary."""

from __future__ import annotations

import pytest

from tests.boundaries.site import Site

#: JSON text that arrives as it went.
SAME = [
    "null",
    "true",
    "false",
    "0",
    "-7",
    "1.0",
    "-0.5",
    "0.1",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    '""',
    '"text"',
    '"ü → 漢 🎈"',
    '"a\\u0000b"',
    "[]",
    "{}",
    "[null,1]",
    "[1,null]",
    "[[],{}]",
    '{"a":{},"b":[],"c":{"d":[1,1.0]}}',
    "[" * 128 + "]" * 128,
]

#: JSON text and what it becomes: null in an object is an absent key, what fits no integer is a float.
CHANGED = {
    '{"gone":null,"kept":1}': '{"kept":1}',
    '{"all":null}': "{}",
    "9223372036854775808": "9.223372036854776e+18",
    "-9223372036854775809": "-9.223372036854776e+18",
    "1e3": "1000.0",
    " [ 1 , 2 ] ": "[1,2]",
    '"\\u00fc"': '"ü"',
}


@pytest.mark.parametrize("text", SAME)
async def test_from_http_through_an_activity_and_a_child_and_back(text: str, site: Site) -> None:
    answer = await site.post("carry", text.encode())
    assert (answer.status, answer.body.decode()) == (200, text)


@pytest.mark.parametrize("text", CHANGED)
async def test_what_changes_on_the_way(text: str, site: Site) -> None:
    answer = await site.post("carry", text.encode())
    assert (answer.status, answer.body.decode()) == (200, CHANGED[text])


async def test_through_a_running_workflow(site: Site) -> None:
    """As a message, as argument and answer of a query and of an update."""
    run = await site.start("messages")
    for text in SAME:
        body = text.encode()
        for path in (f"/runs/{run}/queries/echo", f"/runs/{run}/updates/echo"):
            answer = await site.ask("POST", path, body)
            assert (path, answer.body.decode()) == (path, text)
        assert (await site.ask("POST", f"/runs/{run}/signals/value", body)).status == 202
        answer = await site.ask("POST", f"/runs/{run}/queries/last", b"null")
        assert answer.body.decode() == text
    await site.runtime.send(run, "end", "over")
    assert await site.runtime.result(run, timeout=300.0) == "over"


async def test_bytes(site: Site) -> None:
    run = await site.start("bytes")
    assert await site.runtime.result(run, timeout=300.0) == b"\xff\0raw"
    answer = await site.result(run)
    assert (answer.headers["Content-Type"], answer.body) == ("application/octet-stream", b"\xff\0raw")
