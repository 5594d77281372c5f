"""Shadow execution on the real server: a difference fails the task and the run goes on; what is deterministic notices nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from runtime import Registry, Runtime
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.registry import DirectoryStore
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.replayer import replay
from tests.histories.features.outside import REGISTRY as FEATURE_REGISTRY
from tests.histories.features.outside import perform
from tests.histories.features.table import FEATURES
from tests.lua.holes import BORDERS
from tests.temporal.stage import Files, Stage, staged
from tests.waiting import eventually

BORDER_WORKFLOW = f"""return {{ main = function()
{BORDERS}
local sum = table.concat(borders, ' ')
time.sleep('1ms')
logger:info('borders ' .. sum)
return 'done'
end }}"""
MENDED = "return { main = function() time.sleep('1ms') return 'done' end }"


async def failed_tasks(stage: Stage, run: Any) -> list[str]:
    """Messages of the failed workflow tasks, once there is one."""

    async def messages() -> list[str]:
        events = (await stage.history(run))["events"]
        found = [event.get("workflowTaskFailedEventAttributes") for event in events]
        return [item["failure"]["message"] for item in found if item]

    return await eventually(messages, every=0.05)


async def test_a_difference_fails_the_task_and_a_mended_script_resumes_the_run(
    files: Files, temporal_server: DevServer
) -> None:
    files.workflow("main", BORDER_WORKFLOW, meta=unpinned()).worker(shadow=True)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        [said, *_] = await failed_tasks(stage, run)
        assert said.startswith("shadow execution differs: a step of t:main")
        assert "one answered" in said
        assert "the other" in said
        assert '"log"' in said
        line = 1 + BORDER_WORKFLOW[: BORDER_WORKFLOW.index("logger:info")].count("\n")
        assert f"main.lua:{line}" in said
        serve(stage, files.workflow("main", MENDED, meta=unpinned()))
        assert await stage.result(run) == "done"


def serve(stage: Stage, files: Files) -> None:
    registry = files.load()
    stage.workers.use(registry, Programs(registry, files.bundles))


def unpinned() -> dict[str, Any]:
    return {"temporal": {"workflow": {"worker": "worker", "versioning": "latest"}}}


async def test_without_shadow_nobody_notices_until_a_replay_with_it(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", BORDER_WORKFLOW).worker(shadow=False)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.result(run) == "done"
        history = await stage.history(run)
        programs = Programs(stage.registry, files.bundles)
        [plain] = await replay([history], stage.registry, programs)
        [shadowed] = await replay([history], stage.registry, programs, shadow=True)
    assert plain.failure is None
    assert shadowed.failure is not None
    assert "shadow execution differs" in shadowed.failure


async def test_an_update_whose_validator_differs_is_not_rejected(files: Files, temporal_server: DevServer) -> None:
    files.workflow(
        "main",
        f"""return {{ main = function()
          workflow.update('finish', function() end, function()
            {BORDERS}
            return nil, errors.new('Invalid', table.concat(borders, ' '))
          end)
          process.inbox():receive()
        end }}""",
        meta=unpinned(),
    ).worker(shadow=True)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        await stage.until(
            run, "WORKFLOW_TASK_COMPLETED"
        )  # so that the run waits, and the validator is all that there is to do
        asking = asyncio.create_task(stage.update(run, "finish"))
        [said, *_] = await failed_tasks(stage, run)
        assert "shadow execution differs: a validate of t:main" in said
        mended = """return { main = function()
          workflow.update('finish', function() return 'answered' end)
          process.inbox():receive()
          return 'finished'
        end }"""
        serve(stage, files.workflow("main", mended, meta=unpinned()))
        await asyncio.wait([asking])
        failure = asking.exception()
        if failure is None:
            assert asking.result() == "answered"
        else:  # the server may give the update up with a task that timed out
            assert isinstance(failure, Error)
            assert failure.kind != "Invalid"
        await stage.send(run, "go")
        assert await stage.result(run) == "finished"


@pytest.fixture(scope="module")
async def features(temporal_server: DevServer) -> Any:
    overrides = ["features:worker:worker_options.shadow=true", "features:worker:worker_options.max_cached_workflows=0"]
    async with Runtime.open(
        FEATURE_REGISTRY, temporal=temporal_server.address, overrides=overrides, environ={}
    ) as runtime:
        yield runtime, await Client.connect(temporal_server.address)


CHOSEN = ["call_many", "select", "signal_retained", "exec_value", "upgrade", "version_loop", "update", "query", "saga"]


@pytest.mark.parametrize("name", [*CHOSEN, "cancel_everything", "random", "json", "order", "errors"])
async def test_features_run_clean(name: str, features: tuple[Runtime, Client]) -> None:
    gave, histories = await perform(*features, name, FEATURES[name])
    assert gave == FEATURES[name].gives
    failed = [event.get("workflowTaskFailedEventAttributes") for history in histories for event in history["events"]]
    causes = [attributes["cause"] for attributes in failed if attributes]
    # When something arrives while a run closes, the server makes it look again: that is no failure.
    assert set(causes) <= {"WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND"}


RECORDED = Path(__file__).parent.parent / "histories"


async def test_every_recorded_run_of_the_example_replays_clean() -> None:
    registry = Registry.load(RECORDED.parent.parent / "config" / "registry.yaml", environ={})
    programs = Programs(registry, DirectoryStore(RECORDED / "bundles"))
    results = await replay(sorted(RECORDED.glob("*.json")), registry, programs, shadow=True)
    assert results
    assert [result.failure for result in results] == [None] * len(results)
