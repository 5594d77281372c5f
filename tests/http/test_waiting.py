"""Starts that wait for the result, by `?wait=` or `Prefer: wait=`: the result when it comes in time, 202 as ever otherwise."""

from __future__ import annotations

import pytest

from tests.http.site import Site

ECHO, WAITING, REFUSING = (f"/api/v1/workflows/web:{name}" for name in ("echo", "waiting", "refusing"))
COMMAND = {"domain": "d", "event_type": "e", "biz_key": "b", "payload": 1}


async def test_a_start_that_waits_answers_with_the_result(web: Site) -> None:
    answer = await web.post(f"{ECHO}?wait=30", {"cups": 2})
    assert (answer.status, answer.json) == (200, {"cups": 2})
    assert (await web.get(answer.headers["Location"])).json["status"] == "COMPLETED"


@pytest.mark.parametrize(
    "preferred", ["wait=30", "respond-async, wait=30", "Wait = 30; x=1", 'handling=strict,wait="30"']
)
async def test_a_start_may_prefer_to_wait(web: Site, preferred: str) -> None:
    answer = await web.post(ECHO, {"cups": 2}, headers={"Prefer": preferred})
    assert (answer.status, answer.json, answer.headers["Preference-Applied"]) == (200, {"cups": 2}, "wait=30")


@pytest.mark.parametrize("preferred", ["wait=soon", "wait=-1", "waits=3", "respond-async"])
async def test_a_preference_that_cannot_be_meant_is_none(web: Site, preferred: str) -> None:
    answer = await web.post(ECHO, 1, headers={"Prefer": preferred})
    assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)


async def test_the_parameter_beats_the_preference(web: Site) -> None:
    answer = await web.post(f"{ECHO}?wait=0", 1, headers={"Prefer": "wait=30"})
    assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)
    assert (await web.post(f"{ECHO}?wait=soon", 1)).status == 400


async def test_a_start_that_waits_in_vain_is_accepted_as_ever(web: Site) -> None:
    answer = await web.post(WAITING, headers={"Prefer": "wait=1"})
    assert (answer.status, answer.headers["Preference-Applied"], answer.json["status"]) == (202, "wait=1", "RUNNING")
    assert answer.headers["Location"] == f"/api/v1/runs/{answer.json['id']}"
    assert answer.headers["Retry-After"]
    await web.post(f"{answer.headers['Location']}/terminate")


async def test_a_start_that_waits_for_a_failure_is_told_of_it(web: Site) -> None:
    answer = await web.post(f"{REFUSING}?wait=30", "sku-1")
    assert (answer.status, answer.json["type"]) == (409, "/docs/errors#run-failed")
    assert answer.json["details"]["sku"] == "sku-1"
    assert answer.headers["Location"] == f"/api/v1/runs/{answer.json['run']['id']}"


async def test_the_result_may_be_waited_for_by_a_preference(web: Site) -> None:
    run = await web.start("echo", 7)
    answer = await web.get(f"/api/v1/runs/{run}/result", headers={"Prefer": "wait=30"})
    assert (answer.status, answer.json, answer.headers["Preference-Applied"]) == (200, 7, "wait=30")


async def test_a_key_that_was_used_waits_for_the_run_that_it_started(web: Site) -> None:
    first = await web.post(f"{ECHO}?wait=30", 7, headers={"Idempotency-Key": "waits"})
    again = await web.post(f"{ECHO}?wait=30", 7, headers={"Idempotency-Key": "waits"})
    assert (first.status, again.status, again.json) == (200, 200, 7)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_an_operation_that_waits_answers_with_the_result(web: Site) -> None:
    command = {**COMMAND, "idem_key": "waits"}
    answer = await web.post("/api/v1/operations/web:echo?wait=30", command)
    assert (answer.status, answer.json) == (200, command)
