"""Every attack as a real workflow and as a real activity: it closes its run as its header says, and the worker goes on."""

from __future__ import annotations

import re

import pytest

from runtime.temporal.dev_server import DevServer
from tests.security.corpus import Attack, attacks
from tests.security.places import OUT_OF_TIME, Answer, on_temporal

WORKFLOWS = attacks("workflow", ["temporal"])
ACTIVITIES = attacks("activity")
#: Those that come to a wait, so may sleep.
WAITING = [attack for attack in WORKFLOWS if re.search(r"time\.sleep|receive\(|funcs\.call|select", attack.source)]


@pytest.fixture(scope="module")
async def answers(
    tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer
) -> dict[tuple[str, str], Answer]:
    return await on_temporal(tmp_path_factory.mktemp("attacks"), temporal_server.address, WORKFLOWS, ACTIVITIES)


@pytest.fixture(scope="module")
async def asleep(tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer) -> dict[tuple[str, str], Answer]:
    folder = tmp_path_factory.mktemp("asleep")
    return await on_temporal(folder, temporal_server.address, WAITING, [], max_live_interpreters=0)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", WORKFLOWS, ids=lambda attack: attack.name)
async def test_as_a_workflow(attack: Attack, answers: dict[tuple[str, str], Answer]) -> None:
    """The first of these runs all of them."""
    value, error = answers["workflow", attack.name]
    if error is not OUT_OF_TIME:
        attack.judge(value, error)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", ACTIVITIES, ids=lambda attack: attack.name)
async def test_as_an_activity(attack: Attack, answers: dict[tuple[str, str], Answer]) -> None:
    attack.judge(*answers["activity", attack.name])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", WAITING, ids=lambda attack: attack.name)
async def test_as_a_workflow_that_sleeps_whenever_it_waits(
    attack: Attack, asleep: dict[tuple[str, str], Answer]
) -> None:
    value, error = asleep["workflow", attack.name]
    if error is not OUT_OF_TIME:
        attack.judge(value, error)
