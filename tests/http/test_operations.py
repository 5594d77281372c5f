"""Operations: commands that are accepted once and executed by a workflow."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.temporal.dev_server import DevServer
from tests.definitions import with_worker, write
from tests.http.site import Site
from tests.waiting import eventually

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
    assert (result.status, result.json["kind"], result.json["run"]["status"]) == (409, "Timeout", "TIMED_OUT")
    again = (await web.post(PATH, said)).json
    assert (again["state"], again["status"]) == ("FAILED", "TIMED_OUT")


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


REGISTRY = with_worker(
    """
  - {name: server, kind: http.service, addr: "127.0.0.1:0"}
  - name: executing
    kind: workflow.lua
    source: file://executing.lua
    modules: [funcs]
    meta: {temporal: {workflow: {worker: worker}}}
  - name: charge
    kind: function.lua
    source: file://charge.lua
    modules: [outcome, activity]
    meta: {temporal: {activity: {worker: worker}}}
""",
    namespace="web",
)
CHARGE = """
local outcome, activity = require("outcome"), require("activity")
return function(payload)
  activity.heartbeat({ asked = "the bank" })
  if payload.busy and activity.info().attempt == 1 then return outcome.retry("the bank is busy", payload.busy) end
  if payload.declined then return outcome.fail("CardDeclined", "no funds", { balance = 3 }) end
  return outcome.ok({ charged = payload.amount, attempt = activity.info().attempt })
end
"""
EXECUTING = """
return function(command)
  local value, err = funcs.call("web:charge", command.payload)
  if err then return nil, err end
  return value
end
"""


@pytest.fixture(scope="module")
async def bank(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory = tmp_path_factory.mktemp("bank")
    write(directory, REGISTRY)
    (directory / "charge.lua").write_text(CHARGE)
    (directory / "executing.lua").write_text(EXECUTING)
    async with (
        Runtime.open(directory / "registry.yaml", temporal=temporal_server.address, http=True, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Site(runtime, session)


async def executed(bank: Site, payload: Any) -> dict[str, Any]:
    answer = await bank.post("/api/v1/operations/web:executing", command(payload=payload))
    operation: dict[str, Any] = answer.json
    return operation


async def test_an_outcome_is_a_result_or_a_failure_with_its_code_and_cause(bank: Site) -> None:
    good, bad = await executed(bank, {"amount": 5}), await executed(bank, {"declined": True})
    charged = await bank.get(f"{good['links']['result']}?wait=60")
    assert (charged.status, charged.json) == (200, {"charged": 5, "attempt": 1})
    declined = await bank.get(f"{bad['links']['result']}?wait=60")
    assert (declined.status, declined.json["kind"], declined.json["detail"]) == (409, "CardDeclined", "no funds")
    assert declined.json["details"]["cause"] == {"balance": 3}
    assert (await bank.get(bad["links"]["self"])).json["state"] == "failed"


async def test_a_retry_comes_after_its_delay_and_shows_its_reason_meanwhile(bank: Site) -> None:
    soon, later = await executed(bank, {"busy": "10ms", "amount": 1}), await executed(bank, {"busy": "1h"})
    result = await bank.get(f"{soon['links']['result']}?wait=60")
    assert result.json == {"charged": 1, "attempt": 2}

    async def waiting() -> Any:
        [pending] = (await bank.get(later["links"]["self"])).json["pending"] or [{}]
        return pending

    pending = await eventually(waiting, lambda seen: seen.get("last_failure"), every=0.1)
    assert (pending["activity"], pending["attempt"]) == ("web:charge", 2)
    assert pending["last_failure"]["message"] == "the bank is busy"
    assert pending["heartbeat"] == {"asked": "the bank"}
    progress = (await bank.get(later["links"]["self"])).json["progress"]
    assert (progress["pending"], progress["heartbeat"], progress["events"] > 4) == (1, {"asked": "the bank"}, True)
    wait = datetime.fromisoformat(pending["next_retry_at"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < wait <= timedelta(hours=1, minutes=1)
    assert (await bank.post("/api/v1/operations/web:executing", command(**_said(later)))).status == 422
    await bank.post(f"{later['links']['self']}/terminate")


def _said(operation: dict[str, Any]) -> dict[str, Any]:
    return {name: operation[name] for name in ("domain", "event_type", "biz_key", "idem_key")}
