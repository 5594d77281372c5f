"""The doors at which a starter gives a time budget in a way of the door's own. What an entry gives is in the table of promises."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from runtime import Error
from tests.cli.shell import evermoon
from tests.promises.site import Site


async def _times_out(site: Site, run: str) -> None:
    with pytest.raises(Error) as failed:
        await site.runtime.result(run, timeout=300.0)
    assert (failed.value.kind, failed.value.message) == ("Timeout", "time budget spent: 1s")
    described = await site.runtime.describe(run)
    assert (described.status, described.state) == ("TIMED_OUT", "failed")
    assert described.cancel is not None
    assert described.cancel["reason"] == "time budget spent"


async def test_the_command_line_gives_a_budget_and_shows_how_it_ended(site: Site) -> None:
    async def run(*words: str) -> tuple[int, str]:
        arguments = [*words, "--registry", "registry.yaml"]
        done = await asyncio.to_thread(evermoon, site.directory, *arguments, env=site.environ)
        return done.status, done.out + done.err

    id = f"run-{uuid.uuid4()}"
    status, said = await run("start", "p:patient", "--id", id, "--timeout", "1s", "--grace", "1m", "--wait")
    assert status == 1
    assert "time budget spent: 1s" in said
    await _times_out(site, id)
    status, said = await run("show", id)
    assert status == 0
    assert "TIMED_OUT" in said
    assert "its time budget" in said
    assert "time budget spent: 1s [Timeout]" in said
    status, said = await run("events", id)
    assert "timed_out      time budget spent: 1s [Timeout]\n" in said
    status, said = await run("events", id, "--json")
    assert [json.loads(line)["event"] for line in said.splitlines()][-1] == "timed_out"


@pytest.mark.parametrize("options", [{"timeout": 1.0}, {"timeout": "1s"}, {"budget": "1s", "budget_grace": "1m"}])
async def test_python_gives_a_budget(site: Site, options: dict[str, Any]) -> None:
    await _times_out(site, await site.runtime.spawn("p:patient", id=f"run-{uuid.uuid4()}", **options))


async def test_the_runs_api_gives_a_budget(site: Site) -> None:
    started = await site.post("/api/v1/workflows/p:patient?timeout=1s&grace=1m", None)
    await _times_out(site, started["id"])


async def test_an_operation_has_a_budget(site: Site) -> None:
    command = {"domain": "d", "event_type": "e", "biz_key": "b", "idem_key": str(uuid.uuid4()), "payload": 1}
    started = await site.post("/api/v1/operations/p:patient?timeout=1s", command)
    await _times_out(site, started["op_id"])


async def test_who_canceled_at_the_command_line_is_shown(site: Site) -> None:
    id = f"run-{uuid.uuid4()}"
    await site.runtime.spawn("p:patient", id=id)
    words = ["cancel", id, "--reason", "a mistake", "--registry", "registry.yaml"]
    assert (await asyncio.to_thread(evermoon, site.directory, *words, env=site.environ)).status == 0
    with pytest.raises(Error, match=r"workflow canceled by \S+@\S+: a mistake"):
        await site.runtime.result(id, timeout=300.0)
