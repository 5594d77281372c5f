"""Search attributes and memo of a run, as a visibility query finds them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from temporalio.client import WorkflowExecutionDescription

from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

DECLARED = {
    "EmWord": "Keyword",
    "EmProse": "Text",
    "EmCount": "Int",
    "EmSum": "Double",
    "EmPaid": "Bool",
    "EmDue": "Datetime",
    "EmTags": "KeywordList",
}
MAIN = """return { main = function(word)
  local due = time.date(2031, 2, 3, 4, 5, 6, 0)
  local answers = {}
  local function attrs(t)
    local ok, err = workflow.attrs(t)
    answers[#answers + 1] = err and err:kind() .. ': ' .. err:message() or ok
  end
  attrs{
    search = { EmWord = word, EmProse = 'a quick brown fox', EmCount = 7, EmSum = 1.5, EmPaid = true, EmDue = due,
               EmTags = { 'red', 'blue' } },
    memo = { note = { 'first', 1 }, gone = true },
  }
  attrs{ search = { EmSum = 2 } }
  attrs{ search = { EmNobody = 'x' } }
  attrs{ search = { EmCount = 'seven', EmWord = 'not taken over' } }
  attrs{ search = { EmPaid = 'yes' } }
  attrs{ search = { EmDue = 'tomorrow' } }
  attrs{ search = { EmTags = 'red' } }
  attrs{ colour = 'red' }
  process.listen('go'):receive()
  attrs{ search = { EmCount = workflow.unset, EmTags = workflow.unset }, memo = { note = 'second', gone = workflow.unset } }
  process.listen('stop'):receive()
  return answers
end }"""


def _attributes(described: WorkflowExecutionDescription) -> dict[str, Any]:
    return {pair.key.name: pair.value for pair in described.typed_search_attributes if pair.key.name in DECLARED}


async def test_attributes_of_every_type_are_found(files: Files, temporal_server: DevServer) -> None:
    files.client(search_attributes=DECLARED)
    files.workflow("main", MAIN)
    word = f"w-{files.queue}"
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", word)
        await stage.until(run, "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES")
        found = await stage.listed(
            f"EmWord = '{word}' AND EmProse = 'brown' AND EmCount > 6 AND EmSum = 2.0 AND EmPaid = true"
            " AND EmDue > '2031-01-01T00:00:00Z' AND EmTags IN ('blue', 'green')"
        )
        assert [item.id for item in found] == [run.id]
        handle = stage.client.get_workflow_handle(run.id)
        described = await handle.describe()
        attributes = _attributes(described)
        assert list(attributes.pop("EmTags")) == ["red", "blue"]
        assert attributes == {
            "EmWord": word,
            "EmProse": "a quick brown fox",
            "EmCount": 7,
            "EmSum": 2.0,
            "EmPaid": True,
            "EmDue": datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC),
        }
        memo = await described.memo()
        assert (memo["note"], memo["gone"]) == (["first", 1], True)

        await stage.send(run, "go")
        await stage.listed(f"EmWord = '{word}' AND EmCount IS NULL AND EmTags IS NULL")
        described = await handle.describe()
        assert set(_attributes(described)) == {"EmWord", "EmProse", "EmSum", "EmPaid", "EmDue"}
        memo = await described.memo()
        assert memo["note"] == "second"
        assert "gone" not in memo

        await stage.send(run, "stop")
        answers = await stage.result(run)
        assert [answer if answer is True else answer.partition(":")[0] for answer in answers] == [
            True, True, *["Invalid"] * 6, True,
        ]  # fmt: skip
        assert '"EmNobody" is not declared' in answers[2]
        assert [result.failure for result in await stage.replay(run)] == [None]


async def test_attributes_and_memo_given_at_the_start(files: Files, temporal_server: DevServer) -> None:
    files.client(search_attributes=DECLARED)
    files.workflow("child", "return { main = function() return process.listen('stop'):receive() end }")
    files.workflow(
        "main",
        """return { main = function(word, id)
             local spawner = process.with_options{
               ['workflow.id'] = id, ['workflow.memo'] = { note = 'given' },
               ['workflow.search_attributes'] = { EmWord = word, EmCount = 3, EmDue = time.date(2031, 2, 3, 4, 5, 6, 0) },
             }
             local wrong = process.with_options{ ['workflow.search_attributes'] = { EmNobody = 1 } }
             local _, err = wrong:spawn('t:child', 't:worker')
             assert(spawner:spawn('t:child', 't:worker'))
             process.listen('stop'):receive()
             return err:kind()
           end }""",
    )
    word, child = f"w-{files.queue}", f"c-{files.queue}"
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", word, child)
        await stage.until(run, "CHILD_WORKFLOW_EXECUTION_STARTED")
        found = await stage.listed(f"EmWord = '{word}' AND EmCount = 3")
        assert [item.id for item in found] == [child]
        assert (await stage.runs.describe(child)).memo["note"] == "given"
        await stage.send(run, "stop")
        assert await stage.result(run) == "Invalid"
        assert [result.failure for result in await stage.replay(run)] == [None]


REFUSED = """return { main = function(name)
  local _, err = workflow.attrs{ search = { [name] = 'x' }, memo = { note = 'kept' } }
  return err and { err:kind(), err:message() } or 'taken'
end }"""


async def test_the_memo_is_kept_where_a_search_attribute_is_refused(files: Files, temporal_server: DevServer) -> None:
    files.client(search_attributes=DECLARED)
    files.workflow("main", REFUSED)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", "EmNobody")
        kind, message = await stage.result(run)
        assert kind == "Invalid"
        assert message.startswith('search attribute "EmNobody" is not declared by the temporal.client t:temporal')
        described = await stage.client.get_workflow_handle(run.id).describe()
        assert (await described.memo())["note"] == "kept"
        await stage.replay(run)


async def test_attributes_that_nobody_declares_are_registered_in_development(
    files: Files, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    unique = files.queue.replace("-", "")
    files.workflow(
        "main",
        """return { main = function(name)
          assert(workflow.attrs{ search = { [name .. 'Word'] = 'red', [name .. 'Count'] = 3, [name .. 'At'] = time.now() } })
          assert(workflow.attrs{ search = { [name .. 'Count'] = 4 } })
          local _, err = workflow.attrs{ search = { [name .. 'Count'] = 'four' } }
          return err:message()
        end }""",
    )
    async with staged(files, temporal_server.address, new_attributes=True) as stage:
        run = await stage.start("main", unique)
        assert "it takes an integer" in await stage.result(run)
        found = await stage.listed(
            f"{unique}Word = 'red' AND {unique}Count = 4 AND {unique}At > '2020-01-01T00:00:00Z'"
        )
        assert [item.id for item in found] == [run.id]
        # The server has columns for three integers, which other tests need.
        await stage.client.operator_service.remove_search_attributes(
            RemoveSearchAttributesRequest(
                namespace="default", search_attributes=[f"{unique}{what}" for what in ("Word", "Count", "At")]
            )
        )
    assert f'search attribute "{unique}Count" is registered as Int' in caplog.text
