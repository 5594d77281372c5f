"""A replay that goes another way says where in the script, and what the history has there instead."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.lua.program import Programs
from runtime.temporal.dev_server import DevServer
from runtime.temporal.replay.compare import Divergence
from runtime.temporal.replay.replayer import replay
from tests.temporal.stage import Files, staged

LATEST = {"temporal": {"workflow": {"worker": "worker", "versioning": "latest"}}}
SCRIPT = """return { main = function(order)
  local a = funcs.call('t:first', order)
  time.sleep('20ms')
  local b = funcs.new():with_options({['activity.start_to_close_timeout'] = 30000}):call('t:second', a)
  local c = workflow.exec('t:child', b)
  workflow.attrs{memo = {state = 'late'}}
  return {a, c}
end }
"""


def site(directory: Path, script: str = SCRIPT) -> Files:
    files = Files(directory)
    for name in ("first", "second"):
        files.activity(name, "return { main = function(value) return value end }")
    files.workflow("child", "return { main = function(value) return value end }")
    return files.workflow("main", script, meta=LATEST)


@pytest.fixture(scope="module")
async def recorded(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The history of one run of the script, as JSON."""
    files = site(tmp_path_factory.mktemp("recorded"))
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main", {"amount": 5})
        await stage.result(run)
        yield json.dumps(await stage.history(run))


async def diverged(directory: Path, history: dict[str, Any], script: str) -> Divergence | None:
    files = site(directory, script)
    registry = files.load()
    [result] = await replay([history], registry, Programs(registry, files.bundles))
    return result.divergence


def line(text: str) -> str:
    """The place of the first line of the script that holds this."""
    return f"main.lua:{1 + SCRIPT[: SCRIPT.index(text)].count(chr(10))}"


FIRST, SLEEP, SECOND, CHILD, ATTRS = (line(text) for text in ("t:first", "sleep", "t:second", "t:child", "attrs"))

#: What is changed in the script, and into what → the line and the command that differ, the line of what the history has, the message.
CHANGES = {
    "another activity": (
        ("'t:second'", "'t:first'"),
        (SECOND, "funcs.call t:first", SECOND),
        f"{SECOND}: funcs.call t:first — history has at event #: funcs.call t:second ({SECOND})",
    ),
    "another kind": (
        ("time.sleep('20ms')", "funcs.call('t:second', 1)"),
        (SLEEP, "funcs.call t:second", SLEEP),
        f"{SLEEP}: funcs.call t:second — history has at event #: timer 20ms ({SLEEP})",
    ),
    "another order": (
        ("local a = funcs.call('t:first', order)\n  time.sleep('20ms')", "time.sleep('20ms')\n  local a = 1"),
        (FIRST, "timer 20ms", FIRST),
        f"{FIRST}: timer 20ms — history has at event #: funcs.call t:first ({FIRST})",
    ),
    "a missing command": (
        ("time.sleep('20ms')", ""),
        (SECOND, "funcs.call t:second", SLEEP),
        f"{SECOND}: funcs.call t:second — history has at event #: timer 20ms ({SLEEP})",
    ),
    "one command less in a step": (
        ("local a = funcs.call('t:first', order)", "process.inbox():receive() local a"),
        (None, None, FIRST),
        f"the script does nothing more here — history has at event #: funcs.call t:first ({FIRST})",
    ),
    "one command more in a step": (
        ("time.sleep('20ms')", "local t, _ = time.timer('20ms'), time.timer('50s') t:response():receive()"),
        (SLEEP, "timer 50s", None),
        f"{SLEEP}: timer 50s — history has nothing more in this workflow task",
    ),
    "other arguments": (
        ("call('t:second', a)", "call('t:second', {amount = 7})"),
        (SECOND, "funcs.call t:second", SECOND),
        f"{SECOND}: funcs.call t:second — not the arguments that the history has at event # ({SECOND}): "
        'expected {"amount":5}, actual {"amount":7}',
    ),
    "another duration": (
        ("'20ms'", "'40ms'"),
        (SLEEP, "timer 40ms", SLEEP),
        f"{SLEEP}: timer 40ms — not the duration that the history has at event # ({SLEEP}): expected 20ms, actual 40ms",
    ),
    "another option": (
        ("30000", "31000"),
        (SECOND, "funcs.call t:second", SECOND),
        f"not the start_to_close_timeout that the history has at event # ({SECOND}): expected 30s, actual 31s",
    ),
    "another input of a child": (
        ("exec('t:child', b)", "exec('t:child', 'no')"),
        (CHILD, "child workflow t:child", CHILD),
        'expected {"amount":5}, actual "no"',
    ),
    "another memo": (
        ("'late'", "'early'"),
        (ATTRS, "workflow.attrs of memo state", None),
        'expected "late", actual "early"',
    ),
    "another result": (
        ("return {a, c}", "return {a}"),
        (None, "the run's completion", None),
        f"the run's completion (after {ATTRS}) — not the result that the history has at event #: "
        'expected [{"amount":5},{"amount":5}], actual [{"amount":5}]',
    ),
    "an error": (
        ("local b = ", "error('broken') local b = "),
        (None, "the run's failure", SECOND),
        f"the run's failure: {SECOND}: broken (after {SLEEP}) — history has at event #: funcs.call t:second ({SECOND})",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_changed_script(name: str, recorded: str, tmp_path: Path) -> None:
    (old, new), (at, command, event_at), message = CHANGES[name]
    assert old in SCRIPT
    found = await diverged(tmp_path, json.loads(recorded), SCRIPT.replace(old, new))
    assert found is not None
    assert message in re.sub(r"at event \d+", "at event #", found.message)
    assert (found.at, found.command, found.event_at) == (at, command, event_at)


async def test_the_same_script_does_not_diverge(recorded: str, tmp_path: Path) -> None:
    assert await diverged(tmp_path, json.loads(recorded), SCRIPT) is None


#: Attributes of an event, the path to what somebody changes in it, what it becomes → the field that is named.
TAMPERED: dict[str, tuple[str, list[Any], str | bytes, str]] = {
    "timer": ("timerStartedEventAttributes", ["startToFireTimeout"], "77s", "duration"),
    "timeout": ("activityTaskScheduledEventAttributes", ["startToCloseTimeout"], "77s", "start_to_close_timeout"),
    "input": ("activityTaskScheduledEventAttributes", ["input", "payloads", 0, "data"], b"77", "arguments"),
    "child": (
        "startChildWorkflowExecutionInitiatedEventAttributes",
        ["input", "payloads", 0, "data"],
        b"77",
        "arguments",
    ),
    "result": ("workflowExecutionCompletedEventAttributes", ["result", "payloads", 0, "data"], b"77", "result"),
    "memo": ("workflowPropertiesModifiedEventAttributes", ["upsertedMemo", "fields", "state", "data"], b"77", "state"),
    "policy": (
        "startChildWorkflowExecutionInitiatedEventAttributes",
        ["parentClosePolicy"],
        "PARENT_CLOSE_POLICY_ABANDON",
        "parent close policy",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_a_changed_history(name: str, recorded: str, tmp_path: Path) -> None:
    attributes, path, value, field = TAMPERED[name]
    history = json.loads(recorded)
    event = next(event for event in history["events"] if attributes in event)
    place = event[attributes]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    found = await diverged(tmp_path, history, SCRIPT)
    assert found is not None
    assert (found.field, found.event) == (field, int(event["eventId"]))
    assert found.expected != found.actual
