"""Errors of query handlers, updates and validators, as clients see them."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowQueryFailedError

from runtime import Error, errors
from tests.boundaries.site import Site

KINDS = [errors.INVALID, errors.CONFLICT, errors.UNAVAILABLE, errors.UNKNOWN, "CardDeclined"]


@pytest.mark.parametrize("kind", KINDS)
async def test_of_an_update(kind: str, site: Site) -> None:
    run = await site.start("questions")
    fields = {"kind": kind, "message": "not now", "retryable": False, "details": {"by": "me"}}
    for name in ("fails", "guarded"):
        with pytest.raises(Error) as failed:
            await site.runtime.update(run, name, fields)
        error = failed.value
        assert (error.kind, error.message, error.retryable, error.details) == (kind, "not now", False, {"by": "me"})
        assert str(error) == "asked: not now"
    answer = await site.ask("POST", f"/runs/{run}/updates/fails", b'{"kind":"Conflict","message":"not now"}')
    assert (answer.status, answer.json["kind"], answer.json["detail"]) == (422, "Conflict", "asked: not now")
    await _over(site, run)


async def test_an_error_of_a_query_arrives_whole(site: Site) -> None:
    run = await site.start("questions")
    with pytest.raises(Error) as failed:
        await site.runtime.query(run, "fails", {"kind": "Conflict", "message": "not now", "details": {"by": "me"}})
    error = failed.value
    assert (error.kind, error.message, error.details) == ("Conflict", "not now", {"by": "me"})
    assert str(error) == "asked: not now"
    answer = await site.ask("POST", f"/runs/{run}/queries/fails", b'{"kind":"Conflict","message":"not now"}')
    assert (answer.status, answer.json["kind"], answer.json["detail"]) == (409, "Conflict", "asked: not now")
    await _over(site, run)


async def test_to_other_clients_a_query_fails_with_the_text(site: Site) -> None:
    """Temporal carries no more of a failed query."""
    run = await site.start("questions")
    with pytest.raises(WorkflowQueryFailedError, match="asked: not now"):
        await site.client.get_workflow_handle(run).query("fails", {"kind": "Conflict", "message": "not now"})
    await _over(site, run)


async def test_a_raise_in_a_handler_fails_the_question_and_not_the_run(site: Site) -> None:
    run = await site.start("questions")
    with pytest.raises(Error, match=r"runs\.lua:\d+: oops") as failed:
        await site.runtime.query(run, "raises")
    assert failed.value.kind == "Internal"
    with pytest.raises(Error, match=r"runs\.lua:\d+: oops") as failed:
        await site.runtime.update(run, "raises")
    assert failed.value.kind == "Internal"
    await _over(site, run)


async def _over(site: Site, run: str) -> None:
    await site.runtime.send(run, "end", "over")
    assert await site.runtime.result(run, timeout=300.0) == "over"
