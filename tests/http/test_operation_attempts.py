"""What `GET /api/v1/operations/{op_id}` tells, and the operations of Lua and Python: one for a key at every door, with each of its attempts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.errors import CONFLICT, INVALID, NOT_FOUND, Error
from runtime.temporal.dev_server import DevServer
from tests.http.site import Site
from tests.waiting import eventually

REGISTRY = """
namespace: web
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:1"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: QUEUE}
  - {name: server, kind: http.service, addr: "127.0.0.1:0"}
  - {name: charge, kind: workflow.lua, source: file://charge.lua, modules: [funcs], meta: {temporal: {workflow: {worker: worker}}}}
  - name: ask
    kind: function.lua
    source: file://ask.lua
    modules: [activity, outcome]
    meta: {temporal: {activity: {worker: worker}}}
  - {name: begin, kind: function.lua, source: file://begin.lua, modules: [operation]}
"""
SOURCES = {
    "charge.lua": "return function(command) return funcs.call('web:ask', command.payload) end",
    #: Each attempt comes to what the payload says.
    "ask.lua": """return function(attempts)
      local said = attempts[activity.info().attempt]
      if said.retry then return outcome.retry(said.retry, said.after or "1ms") end
      if said.fail then return outcome.fail(said.fail, "no") end
      return said.ok
    end""",
    "begin.lua": """return function(command, budget)
      local op, err = operation.start(command, budget)
      if err then return nil, err end
      local value, failed = op:await("120s")
      return { id = op:id(), state = op:state(), value = value, kind = failed and failed:kind(), same = operation.find(op:id()):id() }
    end""",
}


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer) -> AsyncIterator[Site]:
    directory = tmp_path_factory.mktemp("operations")
    for name, text in SOURCES.items():
        (directory / name).write_text(text)
    path = directory / "registry.yaml"
    path.write_text(REGISTRY.replace("QUEUE", f"operations-{uuid.uuid4().hex[:8]}"))
    async with (
        Runtime.open(path, temporal=temporal_server.address, environ={}, http=True) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Site(runtime, session)


def command(*attempts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    texts = {
        "domain": "payments",
        "event_type": "payment.requested",
        "biz_key": "order-7",
        "idem_key": uuid.uuid4().hex,
    }
    return {**texts, "payload": list(attempts), **changes}


async def ended(site: Site, said: dict[str, Any]) -> dict[str, Any]:
    """The operation over HTTP, when it is over."""
    accepted = await site.post("/api/v1/operations/web:charge", said)
    assert accepted.status == 202, accepted.text
    path = f"/api/v1/operations/{accepted.json['op_id']}"
    found = await eventually(lambda: site.get(path), lambda answer: answer.json["state"] in ("COMPLETED", "FAILED"))
    assert found.status == 200
    document: dict[str, Any] = found.json
    return document


async def test_operation_over_http_keeps_the_outcome_of_every_attempt(site: Site) -> None:
    said = command({"retry": "busy"}, {"retry": "boom"}, {"retry": "later", "after": "2ms"}, {"ok": "paid"})
    found = await ended(site, said)
    assert (found["state"], found["status"], found["entry"], found["result"]) == (
        "COMPLETED",
        "COMPLETED",
        "web:charge",
        "paid",
    )
    assert found["command"] == said
    assert [one["outcome"] for one in found["attempts"]] == ["retry", "retry", "retry", "ok"]
    assert [one["attempt"] for one in found["attempts"]] == [1, 2, 3, 4]
    assert [one.get("message") for one in found["attempts"]][0::2] == ["busy", "later"]
    assert found["attempts"][1]["message"] == "boom"
    assert all(one["activity"] == "web:ask" and one["at"] for one in found["attempts"])
    assert found["accepted_at"] <= found["attempts"][0]["at"] <= found["finished_at"]


async def test_operation_that_failed_says_with_what_after_which_attempts(site: Site) -> None:
    found = await ended(site, command({"retry": "busy"}, {"fail": "Declined"}))
    assert (found["state"], found["error"]["kind"]) == ("FAILED", "Declined")
    assert [(one["outcome"], one["kind"]) for one in found["attempts"]] == [
        ("retry", "Unavailable"),
        ("fail", "Declined"),
    ]


async def test_operation_that_waits_for_its_next_attempt_shows_those_before(site: Site) -> None:
    said = command({"retry": "one"}, {"retry": "two", "after": "1h"})
    accepted = await site.post("/api/v1/operations/web:charge", said)
    path = f"/api/v1/operations/{accepted.json['op_id']}"
    found = (
        await eventually(
            lambda: site.get(path),
            lambda answer: len(answer.json["attempts"]) == 2 and answer.json["attempts"][1].get("next_retry_at"),
        )
    ).json
    assert found["state"] == "IN_PROGRESS"
    assert [one["message"] for one in found["attempts"]] == ["one", "two"]
    await site.post(f"/api/v1/runs/{accepted.json['op_id']}/terminate", {"reason": "enough"})
    ended = (await site.get(path)).json
    assert (ended["state"], ended["error"]) == ("FAILED", {"kind": "Terminated", "message": "enough"})


async def test_operation_of_lua_python_and_http_is_one_for_a_key(site: Site) -> None:
    said = command({"ok": 7})
    of_lua = await site.runtime.call("web:begin", {**said, "entry": "web:charge"}, "5m")
    assert (of_lua["state"], of_lua["value"], of_lua["same"]) == ("COMPLETED", 7, of_lua["id"])
    of_python = await site.runtime.operation("web:charge", said, timeout=60)
    assert of_python.id == of_lua["id"]
    assert (await of_python.state(), await of_python.result(60)) == ("COMPLETED", 7)
    assert (await of_python.show())["command"] == said
    over_http = await site.post("/api/v1/operations/web:charge", said)
    assert (over_http.json["op_id"], over_http.headers["Idempotency-Replayed"]) == (of_lua["id"], "true")
    for again in (
        site.runtime.operation("web:charge", {**said, "biz_key": "other"}),
        site.runtime.call("web:begin", {**said, "entry": "web:charge", "payload": []}),
    ):
        with pytest.raises(Error) as caught:
            await again
        assert caught.value.kind == CONFLICT


async def test_operation_that_is_none_is_refused_at_each_door(site: Site) -> None:
    with pytest.raises(Error) as caught:
        await site.runtime.call("web:begin", {"entry": "web:charge", "domain": "d"})
    assert (caught.value.kind, "has no event_type" in caught.value.message) == (INVALID, True)
    with pytest.raises(Error) as caught:
        await site.runtime.operation("web:none", command())
    assert caught.value.kind == NOT_FOUND
    run = await site.runtime.start("web:charge", {"payload": [{"ok": 1}]})
    assert (await site.get(f"/api/v1/operations/{run.id}")).status == 404
