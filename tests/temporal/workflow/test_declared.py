"""What an entry declares of its signals, queries and updates, and what a run announces."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

NUMBER = {"type": "integer", "minimum": 1, "description": "how many"}
DECLARED = {
    "worker": "worker",
    "signals": {"more": NUMBER, "stop": {}},
    "queries": {"times": NUMBER, "later": {}},
    "updates": {"add": NUMBER},
}
MAIN = """return { main = function()
  local total = 0
  workflow.query('times', function(n) return total * n end)
  workflow.query('undeclared', function(n) return n end)
  workflow.update('add', function(n) total = total + n; return total end)
  process.listen('asked', { message = true })
  local more = process.listen('more')
  process.listen('stop'):receive()
  return { total, (more:receive()), (more:receive()) }
end }"""


def _names(definitions: Any) -> dict[str, str]:
    return {item.name: item.description for item in definitions}


async def test_the_ui_lists_what_a_run_can_be_sent(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", MAIN, meta={"temporal": {"workflow": DECLARED}})
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        handle = stage.client.get_workflow_handle(run.id)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        definition = metadata.definition
        assert _names(definition.signal_definitions) == {"asked": "", "more": "how many", "stop": ""}
        assert _names(definition.update_definitions) == {"add": "how many", "asked": ""}
        queries = _names(definition.query_definitions)
        assert {"times", "later", "undeclared", "__lua_stack", "__status", "__inbox"} <= set(queries)
        assert queries["times"] == "how many"
        names = [item.name for item in definition.query_definitions]
        assert names == sorted(set(names))
        await stage.runs.terminate(run.id)


async def test_arguments_are_held_to_the_declared_schemas(
    files: Files, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    files.workflow("main", MAIN, meta={"temporal": {"workflow": DECLARED}})
    with caplog.at_level(logging.WARNING, "evermoon.script"):
        async with staged(files, temporal_server.address) as stage:
            run = await stage.start("main")
            assert await stage.update(run, "add", 2) == 2
            for wrong in ([0], ["two"], []):
                with pytest.raises(Error, match='update "add"') as refused:
                    await stage.update(run, "add", *wrong)
                assert refused.value.kind == "Invalid"
                with pytest.raises(Error, match='query "times"'):
                    await stage.query(run, "times", *wrong)
            assert await stage.query(run, "times", 3) == 6
            assert await stage.query(run, "undeclared", "anything") == "anything"
            await stage.send(run, "more", "many")
            await stage.send(run, "more", 5)
            await stage.send(run, "stop")
            assert await stage.result(run) == [2, "many", 5]
            assert (await stage.event_types(run)).count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 1
            assert [result.failure for result in await stage.replay(run)] == [None]
    [line] = [record.getMessage() for record in caplog.records if record.name == "evermoon.script"]
    assert line.startswith('signal "more"')
    assert line.endswith("delivered nevertheless")
