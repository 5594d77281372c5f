"""A sample of the attacks as real workflows and activities: each closes its run as its header says, and the worker goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import Error
from runtime.temporal.devserver import DevServer
from tests.security.corpus import ALL, Attack
from tests.temporal.stage import Files, Stage, staged

_NAMES = """commands_of_calls_without_end commands_without_end error_chain_endless error_details_lying error_not_utf8
    error_with_endless_text error_with_evil_text globals_overridden json_deep json_not_utf8 json_shared_bomb log_fields_odd
    log_flood_bounded memory_tables pattern_exponential pcall_budget_loop process_topic_not_utf8 require_io resumes_a_task
    spin_while version_range_huge workflow_query_spins workflow_wait_spins xpcall_handler_catches_budget"""
SAMPLE = frozenset(_NAMES.split())
CANARY = "return function() time.sleep('1ms') return 'well' end"
CHOSEN = [attack for attack in ALL if attack.name in SAMPLE]
AS_ACTIVITIES = [attack for attack in CHOSEN if attack.on is None and attack.instructions == 20_000_000]


def _files(files: Files) -> Files:
    files.workflow("canary", CANARY)
    for attack in CHOSEN:
        limits = {"memory": attack.memory, "instructions": attack.instructions}
        files.workflow(attack.name, attack.source, limits=limits)
    for attack in AS_ACTIVITIES:
        files.activity(f"a_{attack.name}", attack.source, {"activity.retry_policy": {"maximum_attempts": 1}})
    files.workflow("calls", "return function(id) return funcs.call(id) end")
    return files


async def _judged(stage: Stage, attack: Attack, name: str, *args: object) -> None:
    value, failure = None, None
    try:
        value = await stage.run(name, *args)
    except Error as error:
        failure = error
    attack.judge(value, failure)
    assert await stage.run("canary") == "well"


def test_the_sample_is_there() -> None:
    assert {attack.name for attack in CHOSEN} == SAMPLE


@pytest.mark.timeout(1200)
async def test_as_workflows(tmp_path: Path, temporal_server: DevServer) -> None:
    async with staged(_files(Files(tmp_path)), temporal_server.address) as stage:
        for attack in CHOSEN:
            await _judged(stage, attack, attack.name)


@pytest.mark.timeout(1200)
async def test_as_activities(tmp_path: Path, temporal_server: DevServer) -> None:
    async with staged(_files(Files(tmp_path)), temporal_server.address) as stage:
        for attack in AS_ACTIVITIES:
            if attack.how in ("error", "budget", "denied"):
                await _judged(stage, attack, "calls", f"t:a_{attack.name}")
