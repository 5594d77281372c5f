"""Each feature's recorded history must replay, and the feature must still work when every task is a replay."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from temporalio.client import Client

from runtime import Registry, Runtime
from runtime.lua.hibernation import HibernationPool
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.replayer import replay
from tests.histories.features.outside import REGISTRY, Feature, perform, stage, types
from tests.histories.features.record import FOLDER, files
from tests.histories.features.table import FEATURES


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load(REGISTRY, environ={})


@pytest.fixture(scope="module", params=["max_cached_workflows", "max_live_interpreters"])
async def forgetful(
    request: pytest.FixtureRequest, temporal_server: DevServer
) -> AsyncIterator[tuple[Runtime, Client]]:
    """A worker that keeps no run in memory, so that each task begins with a replay of all before it; or no interpreter."""
    async with stage(temporal_server.address, [f"features:worker:worker_options.{request.param}=0"]) as staged:
        yield staged


def _of_each_feature() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", FEATURES)


#: Those recorded with an older script, or by an older version, are left out: a run that starts today goes another way.
NEW = [name for name, feature in FEATURES.items() if not feature.recorded_with and not feature.superseded]


def test_every_feature_is_recorded_and_every_recording_has_its_feature() -> None:
    expected = {path.name for name, feature in FEATURES.items() for path in files(name, feature)}
    assert {path.name for path in FOLDER.iterdir()} == expected


def test_every_workflow_is_a_feature_or_part_of_one(registry: Registry) -> None:
    workflows = {entry.name for entry in registry.entries.values() if entry.kind == "workflow.lua"}
    assert {name for name in workflows - set(FEATURES) if not name.startswith("child_")} == {"upgraded"}


@_of_each_feature()
async def test_it_replays(name: str, registry: Registry) -> None:
    feature = FEATURES[name]
    histories = files(name, feature)
    assert [result.failure for result in await replay(histories, registry, latest=True)] == [None] * len(histories)


@_of_each_feature()
async def test_it_replays_asleep_between_its_tasks(name: str, registry: Registry) -> None:
    histories = files(name, FEATURES[name])
    results = await replay(histories, registry, latest=True, pool=HibernationPool(0))
    assert [result.failure for result in results] == [None] * len(histories)


@_of_each_feature()
def test_the_recording_shows_what_it_is_of(name: str) -> None:
    feature = FEATURES[name]
    histories = [json.loads(path.read_text()) for path in files(name, feature)]
    _check(feature, histories)


@pytest.mark.parametrize("name", NEW)
async def test_it_works_on_a_worker_that_keeps_nothing(name: str, forgetful: tuple[Runtime, Client]) -> None:
    feature = FEATURES[name]
    gave, histories = await perform(*forgetful, name, feature)
    assert gave == feature.gives
    _check(feature, histories)
    assert [cause for history in histories for cause in _failed_tasks(history)] == []


@pytest.mark.parametrize(
    "policy",
    [
        "features:may_call:policy.effect=deny",
        'features:may_call:policy.actions="*"',
        "features:may_call:groups=nobody",
        "features:not_context:policy.effect=allow",
    ],
)
async def test_a_replay_believes_what_was_decided_not_the_policies_of_the_day(policy: str) -> None:
    changed = Registry.load(REGISTRY, environ={}, overrides=[policy])
    histories = files("call_scoped", FEATURES["call_scoped"])
    assert [result.failure for result in await replay(histories, changed, latest=True)] == [None, None]


async def test_a_computed_value_that_differs_does_not_replay(registry: Registry) -> None:
    text = files("random", FEATURES["random"])[0].read_text()
    history = json.loads(text)
    run = history["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"]
    [result] = await replay(
        [json.loads(text.replace(run, f"{run[:-1]}{'0' if run[-1] != '0' else '1'}"))], registry, latest=True
    )
    assert result.failure is not None


def _failed_tasks(history: Mapping[str, Any]) -> list[str]:
    """Why tasks failed. When something arrives while a run closes, the server makes it look again: that is no failure."""
    attributes = [event.get("workflowTaskFailedEventAttributes") for event in history["events"]]
    causes = [item["cause"].removeprefix("WORKFLOW_TASK_FAILED_CAUSE_") for item in attributes if item]
    return [cause for cause in causes if cause != "UNHANDLED_COMMAND"]


def _check(feature: Feature, histories: Sequence[Mapping[str, Any]]) -> None:
    seen = [types(history) for history in histories]
    assert len(seen) == feature.runs
    assert seen[-1][-1] == f"WORKFLOW_EXECUTION_{feature.ends}"
    events = iter(seen[0])
    for event in feature.events:
        assert event in events, f"{event} is missing in {seen[0]}"
