"""The promises, each as what is tried at a door. A door that a promise does not concern is named with the reason; every other one is tried."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import pytest
from temporalio.service import RPCError, RPCStatusCode

from runtime import Error
from runtime.cli.logs import OneLine
from runtime.errors import ALREADY_EXISTS, CONFLICT, INVALID, LIMIT_EXCEEDED, NOT_FOUND, PERMISSION_DENIED, TIMEOUT
from tests.promises.doors import Door, Start
from tests.promises.site import READERS, Site
from tests.waiting import eventually

Trial: TypeAlias = Callable[[Door, Site, pytest.LogCaptureFixture], Awaitable[None]]


@dataclass(frozen=True)
class Promise:
    """A promise: what tries it, and the doors that it does not concern, with the reason of each."""

    name: str
    trial: Trial
    exempt: Mapping[str, str]


PROMISES: list[Promise] = []

#: Whoever holds these is trusted: the server's own authorisation, or the process, is what limits them.
_TRUSTED = "carries no actor or scope: whoever reaches the server with it is limited by the server"
_ONE_RUN = "a test has no other run to meet"


def promise(name: str, **exempt: str) -> Callable[[Trial], Trial]:
    """Adds a trial to the table. `exempt`: reasons by the name of a door, with `_` for what is no letter."""

    def add(trial: Trial) -> Trial:
        PROMISES.append(Promise(name, trial, {door.lower(): reason for door, reason in exempt.items()}))
        return trial

    return add


async def _failure(door: Door, site: Site, start: Start) -> Error:
    """What a door refuses a start with, or what the run fails with."""
    with pytest.raises(Error) as caught:
        await door.run(site, start)
    return caught.value


@promise("input schema")
async def input_schema(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    error = await _failure(door, site, Start("p:guarded", {"amount": "ten"}))
    assert error.kind == INVALID
    for part in ("p:guarded", "amount", "integer"):
        assert part in str(error)
    assert await door.run(site, Start("p:guarded", {"amount": 1})) == {"amount": 2}


@promise(
    "permission",
    CLI="whoever may run commands here is trusted: a scope limits what the run may do",
    runtime_in_python="the host's own Python is trusted: a scope limits what the run may do",
    plain_temporal_client=_TRUSTED,
    schedule="is declared in the registry by whoever writes the workflow, too",
    plugin=_TRUSTED,
    test_start="runs for the author of the test",
)
async def permission(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    start = Start("p:context", scope=READERS)
    error = await _failure(door, site, start)
    assert error.kind == PERMISSION_DENIED
    assert "p:context" in str(error)
    with pytest.raises(Error) as unknown:
        await site.runtime.describe(start.id)
    assert unknown.value.kind == NOT_FOUND


@promise(
    "idempotency",
    schedule="the ids of its runs are the schedule's and the time's",
    test_start=_ONE_RUN,
)
async def idempotency(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    start = Start("p:waits")
    await door.begin(site, start)
    first = await _run_id(site, start.id)
    refused = await _refusal(door, site, start)
    assert refused is None or (refused.kind in (ALREADY_EXISTS, CONFLICT) and start.id in str(refused))
    assert await _run_id(site, start.id) == first
    await site.client.get_workflow_handle(start.id).terminate()


async def _refusal(door: Door, site: Site, start: Start) -> Error | None:
    try:
        await door.begin(site, start)
    except Error as error:
        return error
    return None


async def _run_id(site: Site, run: str) -> str:
    found = await eventually(lambda: _described(site, run), bool, every=0.05)
    assert found is not None
    return found


async def _described(site: Site, run: str) -> str | None:
    try:
        return (await site.client.get_workflow_handle(run).describe()).run_id
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return None


@promise("limits")
async def limits(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    error = await _failure(door, site, Start("p:spins"))
    assert error.kind == LIMIT_EXCEEDED
    for part in ("instructions", "runs.lua:7"):
        assert part in str(error)


@promise("retries")
async def retries(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    assert await door.run(site, Start("p:retries")) == {"attempt": 3}


@promise("timeouts")
async def timeouts(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    assert await door.run(site, Start("p:late")) == {"kind": "Timeout", "timeout": "StartToClose"}


@promise("errors with place and mend")
async def errors(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    error = await _failure(door, site, Start("p:breaks"))
    assert (error.kind, error.message, error.retryable or False) == ("CardDeclined", "no more", False)
    assert (error.details or {})["left"] == 0
    innermost = error
    while innermost.cause is not None:
        innermost = innermost.cause
    assert (innermost.stack or "").startswith("runs.lua:11")


@promise(
    "context",
    CLI="there is no option for it: what a person starts says all in its input",
    runs_API="there is no field for it: what a request says is in its input",
    plain_temporal_client="there is no header of ours on what it starts",
    schedule="there is no header of ours on what it starts",
    plugin="the plain client that reaches it knows no context",
)
async def context(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    seen = await door.run(site, Start("p:context", context={"tenant": "acme", "n": 1}))
    assert (seen["tenant"], seen["n"]) == ("acme", 1)


@promise("messages and their sender")
async def messages(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    seen = await door.told(site, Start("p:waits"), "go", {"n": [1, 2.5]})
    assert seen["said"] == {"n": [1, 2.5]}
    assert bool(seen["from"]) == (door.name in ("Lua handler", "workflow spawn", "workflow exec", "test.start"))


@promise(
    "cancellation with its reason",
    plain_temporal_client="its cancel takes no reason",
    schedule="its cancel takes no reason",
    plugin="the client's cancel takes no reason",
)
async def cancellation(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    seen = await door.canceled(site, Start("p:cleans_up"), "the customer left")
    assert seen["reason"] == "the customer left"


@promise("time budget", test_start="there is no starter who gives one: a test says when its run is cancelled")
async def time_budget(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    error = await _failure(door, site, Start("p:budgeted"))
    assert (error.kind, error.message) == (TIMEOUT, "time budget spent: 1s")


@promise("size limits")
async def sizes(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    seen = await door.run(site, Start("p:huge"))
    assert seen["kind"] == INVALID
    for part in ("p:flaky", "3145730 bytes", "2080768 bytes", "payloads.store"):
        assert part in seen["message"]
    assert "runs.lua:43" in seen["place"]


@promise(
    "suggestions",
    plain_temporal_client="names a type to the server, which knows none: the run's task fails and says it",
    plugin="the plain client that reaches it names a type to the server",
)
async def suggestions(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    error = await _failure(door, site, Start("p:guardet", {"amount": 1}))
    assert error.kind in (NOT_FOUND, INVALID)
    assert "p:guarded" in str(error)


@promise("log lines with run and place", test_start="what a run of a test logs is shown with the test")
async def log_lines(door: Door, site: Site, log: pytest.LogCaptureFixture) -> None:
    start = Start("p:logs")
    with log.at_level(logging.WARNING):
        assert await door.run(site, start) is True
    [record] = [record for record in log.records if "something to see" in record.getMessage()]
    line = OneLine(tracebacks=False).format(record)
    assert "something to see n=1 (runs.lua:37, {" in line
    assert start.id.split("-")[1] in line
