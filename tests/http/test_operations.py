"""Operations: commands that are accepted once and executed by a workflow."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from tests.http.site import Site

PATH = "/api/v1/operations/web:waiting"


def command(**changes: Any) -> dict[str, Any]:
    return {
        "domain": "payments",
        "event_type": "payment.requested",
        "biz_key": "order-7",
        "idem_key": uuid.uuid4().hex,
        "payload": {"amount": 5},
        **changes,
    }


async def test_a_command_is_accepted_executed_and_finished(web: Site) -> None:
    accepted = await web.post("/api/v1/operations/web:echo", said := command())
    assert accepted.status == 202
    operation = accepted.json
    assert operation["state"] == "PENDING"
    assert {name: operation[name] for name in ("domain", "event_type", "biz_key", "idem_key")} == {
        name: said[name] for name in ("domain", "event_type", "biz_key", "idem_key")
    }
    assert accepted.headers["Location"] == f"/api/v1/runs/{operation['op_id']}" == operation["links"]["self"]
    result = await web.get(f"{operation['links']['result']}?wait=60")
    assert (result.status, result.json) == (200, said)  # the command is the workflow's argument
    again = await web.post("/api/v1/operations/web:echo", said)
    assert (again.json["op_id"], again.json["state"]) == (operation["op_id"], "COMPLETED")


async def test_a_key_is_one_operation_within_its_domain(web: Site) -> None:
    said = command()
    answers = await asyncio.gather(*(web.post(PATH, said) for _ in range(10)))
    assert {answer.status for answer in answers} == {202}
    [op_id] = {answer.json["op_id"] for answer in answers}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1

    for changes in ({"payload": {"amount": 6}}, {"biz_key": "order-8"}, {"event_type": "payment.revoked"}):
        other = await web.post(PATH, {**said, **changes})
        assert (other.status, other.json["details"]) == (422, {"run": op_id})
    assert (await web.post("/api/v1/operations/web:echo", said)).status == 422
    elsewhere = await web.post(PATH, {**said, "domain": "refunds"})
    assert (elsewhere.status, elsewhere.json["op_id"] == op_id) == (202, False)
    for id in (op_id, elsewhere.json["op_id"]):
        await web.post(f"/api/v1/runs/{id}/terminate")
    failed = await web.post(PATH, said)
    assert (failed.status, failed.json["state"], failed.json["status"]) == (202, "FAILED", "TERMINATED")


async def test_one_that_outlasts_its_time_budget_has_failed(web: Site) -> None:
    said = command()
    operation = (await web.post(f"{PATH}?timeout=1s", said)).json
    result = await web.get(f"{operation['links']['result']}?wait=60")
    assert (result.status, result.json["kind"]) == (504, "Timeout")
    assert (await web.post(PATH, said)).json["state"] == "FAILED"


@pytest.mark.parametrize("name", ["domain", "event_type", "biz_key", "idem_key", "payload"])
async def test_a_command_without_a_field_is_400(web: Site, name: str) -> None:
    said = command()
    del said[name]
    refused = await web.post(PATH, said)
    assert (refused.status, refused.json["details"]) == (400, {"missing": [name]})


@pytest.mark.parametrize(
    "said", [None, [], "text", command(domain=""), command(idem_key=7), command(biz_key="x" * 256)]
)
async def test_what_is_no_command_is_400(web: Site, said: Any) -> None:
    assert (await web.post(PATH, b"null" if said is None else said)).status == 400


async def test_what_is_no_workflow_is_404(web: Site) -> None:
    assert (await web.post("/api/v1/operations/web:nothing", command())).status == 404
