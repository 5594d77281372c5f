"""Values that must not cross: each boundary refuses them, naming the path."""

from __future__ import annotations

import pytest

from runtime import Error
from tests.boundaries.site import Site

#: What is wrong (`faults.lua`) → what the refusal says, its path among it.
FAULTS = {
    "text": ["a.b[2]", "UTF-8"],
    "key": ["a", "UTF-8"],
    "mixed": ["a"],
    "sparse": ["a"],
    "cyclic": ["list[2].back"],
    "deep": ["128"],
    "nan": ["a[2]"],
    "infinite": ["a.b"],
    "fn": ["a.callback", "function"],
    "thread": ["a[1].co", "coroutine"],
    "channel": ["a.ch", "channel"],
    "boolean_key": ["a", "boolean"],
    "float_key": ["a"],
}
BOUNDARIES = [
    "activity",
    "second",
    "async",
    "context",
    "exec",
    "spawn",
    "workflow_exec",
    "message",
    "send",
    "send_self",
    "memo",
    "status",
    "upgrade",
    "activity_result",
    "child_result",
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_inside_a_workflow(fault: str, site: Site) -> None:
    answers = await site.run("offers", fault)
    assert sorted(answers) == sorted(BOUNDARIES)
    for where, answer in answers.items():
        assert answer is not None, where
        kind, message = answer[:2]
        assert (where, kind) == (where, "Invalid")
        for part in FAULTS[fault]:
            assert part in message, (where, message)
        assert answer[2:] in ([], [False])
    assert answers["activity"][1].startswith("argument 1")
    assert answers["second"][1].startswith("argument 2")


@pytest.mark.parametrize("fault", FAULTS)
async def test_as_the_result_of_a_run(fault: str, site: Site) -> None:
    run = await site.start("fault_run", fault)
    error = await site.failure(run)
    _names(error, fault)
    answer = await site.result(run)
    assert (answer.status, answer.json["kind"]) == (409, "Invalid")
    assert FAULTS[fault][0] in answer.json["detail"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_as_the_answer_to_a_question(fault: str, site: Site) -> None:
    run = await site.start("asks", fault)
    with pytest.raises(Error) as refused:
        await site.runtime.query(run, "fault")
    _names(refused.value, fault)
    with pytest.raises(Error) as refused:
        await site.runtime.update(run, "fault")
    _names(refused.value, fault)
    await site.runtime.send(run, "end", "goes on")
    assert await site.runtime.result(run, timeout=300.0) == "goes on"


def _names(error: Error, fault: str) -> None:
    assert error.kind == "Invalid"
    for part in FAULTS[fault]:
        assert part in str(error), str(error)


#: Request bodies that are no values → what the refusal says.
BODIES = {
    b'{"a":NaN}': "NaN",
    b"[1,Infinity]": "Infinity",
    b"[1e999]": "1e999",
    b'{"a":"\xc3("}': "UTF-8: byte 6",
    b'{"a":"\\ud800"}': "surrogate",
    b"[" * 129 + b"]" * 129: "128",
    b'{"a":1': "line 1 column",
    b"{'a':1}": "line 1 column",
}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:12].decode(errors="replace"))
async def test_over_http(body: bytes, site: Site) -> None:
    run = await site.start("messages")
    tails = ("signals/value", "queries/echo", "updates/echo")
    for path in ("/workflows/b:echo_run", *(f"/runs/{run}/{tail}" for tail in tails)):
        answer = await site.ask("POST", path, body)
        assert (path, answer.status, answer.json["kind"]) == (path, 400, "Invalid")
        assert BODIES[body] in answer.json["detail"]
    await site.runtime.send(run, "end")
    await site.runtime.result(run, timeout=300.0)


async def test_a_value_of_python_without_a_json_form(site: Site) -> None:
    for value in (object(), {"a": float("nan")}, {1, 2}):
        with pytest.raises(Error) as refused:
            await site.start("echo_run", value)
        assert refused.value.kind == "Invalid"
