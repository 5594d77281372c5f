"""The order of commands where one activation brings several things at once: as the histories that exist have it."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.bridge.proto.child_workflow import StartChildWorkflowExecutionFailedCause
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob

from runtime.payload import Payload
from runtime.temporal import wire
from runtime.temporal.workflow.turns import Turns
from tests.temporal.stage import Files
from tests.temporal.workflow.activated import Job, activated, init

_TAKEN = StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS

DELAYED = """return { main = function()
  process.with_options({ ['workflow.start_delay'] = '5s' }):spawn('t:child', 't:worker')
  time.sleep('20s')
end }"""


def fire(number: int) -> Job:
    return lambda job: setattr(job.fire_timer, "seq", number)


def cancel(job: WorkflowActivationJob) -> None:
    job.cancel_workflow.reason = "stop"


def back_off(number: int) -> Job:
    def fill(job: WorkflowActivationJob) -> None:
        resolved = job.resolve_activity
        resolved.seq, resolved.is_local, resolved.result.backoff.attempt = number, True, 2
        resolved.result.backoff.backoff_duration.seconds = 90

    return fill


def taken(job: WorkflowActivationJob) -> None:
    start = job.resolve_child_workflow_execution_start
    start.seq, start.failed.cause = 1, _TAKEN


def found(job: WorkflowActivationJob) -> None:
    job.resolve_activity.seq = 1
    job.resolve_activity.result.completed.result.CopyFrom(wire.to_proto(Payload.of("other")))


def commands(files: Files, source: str, *activations: list[Job], first: tuple[Job, ...] = ()) -> list[list[str]]:
    """What each of the activations leads to: `complete` with the result, other commands with their number."""
    files.workflow("main", source).workflow("child", "return { main = function() end }")
    files.activity("near", "return { main = function() end }", local=True)
    with activated(files) as run:
        return [[_named(command) for command in run.activate(*jobs)] for jobs in ([init, *first], *activations)]


def _named(command: Any) -> str:
    name = command.WhichOneof("variant")
    content = getattr(command, name)
    if name == "complete_workflow_execution":
        return f"complete {content.result.data.decode()}"
    return f"{name} {content.seq}" if hasattr(content, "seq") else name


@pytest.mark.parametrize("jobs", [[fire(2), fire(1)], [fire(1), cancel]], ids=["its sleep", "a cancellation"])
def test_a_run_that_ends_in_the_task_in_which_a_delay_passes_starts_no_child(files: Files, jobs: list[Job]) -> None:
    _, told = commands(files, DELAYED, jobs)
    assert told[-1] == "complete null"
    assert not [command for command in told if command.startswith("start_child")]


def test_a_delay_that_passes_before_the_end_starts_the_child(files: Files) -> None:
    _, told = commands(files, DELAYED, [fire(1), fire(2)])
    assert told == ["start_child_workflow_execution 1", "complete null"]


@pytest.mark.parametrize("before", [True, False])
def test_a_cancellation_that_comes_with_a_back_off_ends_the_call_without_a_timer(files: Files, before: bool) -> None:
    source = "return { main = function() return select(2, funcs.call('t:near')):kind() end }"
    _, told = commands(files, source, [cancel, back_off(1)] if before else [back_off(1), cancel])
    assert [command for command in told if not command.startswith(("start_timer", "cancel_timer"))][
        -1
    ] == 'complete "Canceled"'
    assert told[-1] == 'complete "Canceled"' or told == ['complete "Canceled"']


def test_the_timer_of_a_back_off_is_cancelled_before_its_run_ends(files: Files) -> None:
    source = "return { main = function() return select(2, funcs.call('t:near')):kind() end }"
    _, slept, told = commands(files, source, [back_off(1)], [cancel])
    assert slept == ["start_timer 1"]
    assert told == ["cancel_timer 1", 'complete "Canceled"']


def test_a_child_given_up_as_the_run_in_its_way_is_found_is_canceled(files: Files) -> None:
    source = "return { main = function() return select(2, process.exec('t:child', 't:worker')):kind() end }"
    *_, told = commands(files, source, [taken], [found, cancel])
    assert told == ['complete "Canceled"']


EXECUTES = """return { main = function()
  local value, problem = process.with_name('kid'):with_message('hello'):exec('t:child', 't:worker')
  return problem and problem:kind() or value
end }"""


def started(job: WorkflowActivationJob) -> None:
    job.resolve_child_workflow_execution_start.seq = 1
    job.resolve_child_workflow_execution_start.succeeded.run_id = "r1"


def ended(job: WorkflowActivationJob) -> None:
    job.resolve_child_workflow_execution.seq = 1
    job.resolve_child_workflow_execution.result.completed.result.CopyFrom(wire.to_proto(Payload.of("value")))


def test_a_child_that_starts_in_the_task_of_a_cancellation_is_not_greeted(files: Files) -> None:
    _, told = commands(files, EXECUTES, [cancel, started])
    assert told == ["cancel_child_workflow_execution", 'complete "Canceled"']


def test_a_child_that_ended_in_the_task_of_a_cancellation_is_not_asked_to_end(files: Files) -> None:
    _, _, told = commands(files, EXECUTES.replace(":with_message('hello')", ""), [started], [ended, cancel])
    assert told == ['complete "Canceled"']


def test_a_run_that_ends_in_its_first_task_and_is_cancelled_in_it_is_canceled(files: Files) -> None:
    assert commands(files, "return { main = function() return 1 end }", first=(cancel,)) == [
        ["cancel_workflow_execution"]
    ]


def test_a_child_that_starts_in_the_task_of_a_cancellation_is_asked_to_end_before_later_calls(files: Files) -> None:
    source = """return { main = function()
      coroutine.spawn(function() process.exec('t:child', 't:worker') end)
      funcs.call('t:near')
    end }"""
    _, told = commands(files, source, [cancel, started])
    assert told == ["cancel_child_workflow_execution", "request_cancel_local_activity 1", "complete null"]


def test_work_is_done_in_its_turn() -> None:
    """What is added meanwhile comes behind all that waits."""
    turns, done = Turns(), list[str]()

    def adds(name: str) -> None:
        done.append(name)
        turns.soon(done.append, f"of {name}")

    turns.soon(adds, "first")
    turns.after(3, done.append, "third turn")
    turns.after(2, done.append, "second turn")
    turns.after(1, done.append, "first turn")
    turns.soon(adds, "last")
    assert done == []
    turns.run()
    assert done == ["first", "first turn", "last", "of first", "second turn", "of last", "third turn"]
    turns.run()
    assert len(done) == 7


def test_work_that_raises_leaves_the_rest_undone() -> None:
    turns, done = Turns(), list[int]()
    for work in (lambda: done.append(1), lambda: done[7], lambda: done.append(2)):
        turns.soon(work)
    with pytest.raises(IndexError):
        turns.run()
    assert done == [1]
