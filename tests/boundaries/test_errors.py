"""An error from an activity through a child and its parent to a client, and over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from runtime import errors
from runtime.errors import Error
from tests.boundaries.site import Site

CUSTOM = "CardDeclined"
KINDS = sorted(errors.KINDS | {CUSTOM})
PLACE = {"_activity_id", "_workflow_id", "_run_id", "_retry_state"}


def _chain(error: Error | None) -> Iterator[Error]:
    while error is not None:
        yield error
        error = error.cause


@pytest.mark.parametrize("retryable", [None, True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_it_arrives_whole(kind: str, retryable: bool | None, site: Site) -> None:
    fields = {"kind": kind, "message": "no more", "details": {"left": 0, "list": [1, 2.5, {}]}}
    run = await site.start("parent", fields if retryable is None else {**fields, "retryable": retryable})
    error = await site.failure(run)
    assert (error.kind, error.message, error.retryable) == (kind, "no more", retryable)
    assert str(error) == "in the parent: in the child: in the activity: no more"
    details = error.details or {}
    assert {name: value for name, value in details.items() if name not in PLACE} == fields["details"]
    assert details.keys() >= PLACE
    frames = [(link.stack or "").partition(":")[0] for link in _chain(error)]
    assert frames == ["runs.lua", "runs.lua", "functions.lua", "functions.lua"]
    assert len({link.stack for link in _chain(error)}) == 4
    assert all(re.match(r"\w+\.lua:\d+: in ", link.stack or "") for link in _chain(error))
    await _as_any_client_sees_it(site, run, kind, retryable)
    await _over_http(site, run, kind, details)


async def _as_any_client_sees_it(site: Site, run: str, kind: str, retryable: bool | None) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await site.client.get_workflow_handle(run).result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == (kind or "Internal")
    assert cause.non_retryable == (not Error(kind, "", retryable=retryable).is_retried)
    assert cause.message == "in the parent: in the child: in the activity: no more"


async def _over_http(site: Site, run: str, kind: str, details: dict[str, Any]) -> None:
    answer = await site.result(run)
    content_type = answer.headers["Content-Type"].partition(";")[0]
    assert (answer.status, content_type) == (409, "application/problem+json")
    problem = answer.json
    assert problem["type"].endswith("run-failed")
    assert (problem["status"], problem["kind"]) == (409, kind)
    assert problem["detail"] == "in the parent: in the child: in the activity: no more"
    assert problem["details"] == details
    assert problem["lua"]["file"].endswith(".lua")
    assert b".py" not in answer.body


async def test_a_workflow_sees_where_an_activity_failed(site: Site) -> None:
    seen = await site.run("sees", "b:fails", {"kind": "Conflict", "message": "taken", "details": {"by": "me"}})
    assert (seen["kind"], seen["message"], seen["text"]) == ("Conflict", "taken", "in the activity: taken")
    assert seen["details"] == {"by": "me", "_activity_id": "1", "_retry_state": "NON_RETRYABLE_FAILURE"}
    assert re.match(r"functions\.lua:\d+", seen["stack"])
    assert seen["frames"][0]["source"] == "functions.lua"


async def test_a_parent_sees_where_a_child_failed(site: Site) -> None:
    seen = await site.run("sees_child", "b:child", {"kind": "Conflict", "message": "taken"})
    assert (seen["kind"], seen["message"], seen["text"]) == (
        "Conflict",
        "taken",
        "in the child: in the activity: taken",
    )
    details = seen["details"]
    assert details.keys() == {"_activity_id", "_workflow_id", "_run_id", "_retry_state"}
    assert details["_workflow_id"].startswith("child-")


@pytest.mark.parametrize(
    ("workflow", "args", "frames"),
    [
        ("sees", ["b:raises"], [r"functions\.lua:\d+: in deeper", r"functions\.lua:\d+: in function"]),
        ("sees_child", ["b:raises_run"], [r"runs\.lua:\d+: in innermost", r"runs\.lua:\d+: in function"]),
    ],
)
async def test_a_raise_is_internal_and_has_every_frame(
    workflow: str, args: list[str], frames: list[str], site: Site
) -> None:
    run = await site.start(workflow, *args)
    seen = await site.runtime.result(run, timeout=300.0)
    assert (seen["kind"], seen["retryable"]) == ("Internal", False)
    assert re.fullmatch(r"(functions|runs)\.lua:\d+: broke", seen["message"])
    for frame in frames:
        assert re.search(frame, seen["stack"]), seen["stack"]


@pytest.mark.parametrize(
    ("function", "args", "kind", "text"),
    [
        ("py_raises", [], "Internal", "ValueError: a bad amount"),
        ("py_refuses", ["tea"], "Conflict", "out of stock"),
        ("py_takes_whole", ["many"], "Invalid", "n: "),
        ("py_returns_object", [], "Internal", "no JSON form"),
    ],
)
async def test_what_python_functions_raise(function: str, args: list[Any], kind: str, text: str, site: Site) -> None:
    seen = await site.run("sees", f"b:{function}", *args)
    assert seen["kind"] == kind
    assert text in seen["message"]
    assert seen["details"].keys() >= {"_activity_id", "_retry_state"}
    if function == "py_refuses":
        assert (seen["details"]["sku"], seen["retryable"]) == ("tea", False)
    assert not re.search(r"/\S*\.py", seen["text"] + seen["stack"])  # but the author's own file, by its name
