"""Updates as the SDK brings them: accepted into history or rejected before it, and answered by the script."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import UpdateResponse, WorkflowCommand

from runtime.payload import Payload
from runtime.temporal import wire
from tests.temporal.stage import Files
from tests.temporal.workflow.activated import Job, activated, init

MAIN = """return { main = function()
  local total = 0
  workflow.update('add', function(by)
    if by == 0 then return nil, errors.new('Conflict', 'nothing to add') end
    if by == 1 then time.sleep('1s') end
    total = total + by
    return total
  end, function(by) if by > 100 then return nil, errors.new('Invalid', 'too many') end end)
  process.listen('stop'):receive()
  return total
end }"""
DECLARED = {"worker": "worker", "updates": {"add": {"type": "integer", "minimum": 0}}}


def update(name: str, *args: Any, id: str = "u", validates: bool = True) -> Job:
    def fill(job: WorkflowActivationJob) -> None:
        job.do_update.id, job.do_update.protocol_instance_id = id, f"instance of {id}"
        job.do_update.name, job.do_update.run_validator = name, validates
        wire.put([Payload.of(arg) for arg in args], job.do_update.input)

    return fill


def fire(job: WorkflowActivationJob) -> None:
    job.fire_timer.seq = 1


def responses(commands: list[WorkflowCommand]) -> list[UpdateResponse]:
    return [command.update_response for command in commands if command.HasField("update_response")]


def said(response: UpdateResponse) -> tuple[str, str, Any]:
    """Whose response it is, what it says, and the value or the error's message."""
    what = str(response.WhichOneof("response"))
    content: Any = None
    if what == "completed":
        content = wire.from_proto(response.completed).value()
    elif what == "rejected":
        content = response.rejected.message
    return response.protocol_instance_id, what, content


@pytest.fixture
def declared(files: Files) -> Files:
    return files.workflow("main", MAIN, meta={"temporal": {"workflow": DECLARED}})


def test_an_update_is_accepted_and_answered(declared: Files) -> None:
    with activated(declared) as run:
        run.activate(init)
        accepted = [("instance of u", "accepted", None)]
        assert list(map(said, responses(run.activate(update("add", 5))))) == [
            *accepted,
            ("instance of u", "completed", 5),
        ]
        first, second = update("add", 1, id="a"), update("add", 2, id="b")
        assert list(map(said, responses(run.activate(first, second)))) == [
            ("instance of a", "accepted", None),
            ("instance of b", "accepted", None),
            ("instance of b", "completed", 7),
        ]
        assert list(map(said, responses(run.activate(fire)))) == [("instance of a", "completed", 8)]


def test_an_update_that_fails_was_accepted_and_the_run_goes_on(declared: Files) -> None:
    with activated(declared) as run:
        run.activate(init)
        accepted, failed = responses(run.activate(update("add", 0)))
        assert said(accepted) == ("instance of u", "accepted", None)
        assert said(failed) == ("instance of u", "rejected", "nothing to add")
        assert failed.rejected.application_failure_info.type == "Conflict"
        assert said(responses(run.activate(update("add", 3)))[-1])[2] == 3


@pytest.mark.parametrize(
    ("name", "args", "kind", "message"),
    [
        ("add", ["two"], "Invalid", 'update "add": '),
        ("add", [], "Invalid", 'update "add": '),
        ("add", [101], "Invalid", "too many"),
        ("other", [], "NotFound", "unknown update 'other'"),
    ],
)
def test_an_update_that_is_refused_leaves_no_trace(
    declared: Files, name: str, args: list[Any], kind: str, message: str
) -> None:
    with activated(declared) as run:
        run.activate(init)
        commands = run.activate(update(name, *args))
        [refused] = responses(commands)
        assert len(commands) == 1
        assert said(refused)[:2] == ("instance of u", "rejected")
        assert message in refused.rejected.message
        assert refused.rejected.application_failure_info.type == kind
        assert said(responses(run.activate(update("add", 3)))[-1])[2] == 3


def test_one_that_is_in_history_is_not_checked_again(declared: Files) -> None:
    with activated(declared) as run:
        run.activate(init, replaying=True)
        accepted, answered = responses(run.activate(update("add", 200, validates=False), replaying=True))
        assert (said(accepted)[1], said(answered)[2]) == ("accepted", 200)
