"""What a command for a child becomes: the SDK's command with all that was asked for, or a refusal before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.bridge.proto.child_workflow import ChildWorkflowCancellationType, ParentClosePolicy
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from runtime.errors import INVALID, NOT_FOUND
from runtime.temporal import wire
from runtime.temporal.search_attributes import Declared
from tests.temporal.stage import Files
from tests.temporal.workflow.activated import activated, init

CHILD = "return { main = function() end }"


def start_of(commands: list[WorkflowCommand]) -> WorkflowCommand:
    [started] = [command for command in commands if command.HasField("start_child_workflow_execution")]
    return started


def started(files: Files, spawner: str = "process", args: str = "", **child: Any) -> WorkflowCommand:
    """The command of `spawner:spawn("t:child", "t:worker", <args>)` in a run that has a context."""
    source = f"return {{ main = function() {spawner}:spawn('t:child', 't:worker' {args}) end }}"
    if spawner == "process":
        source = source.replace(":spawn", ".spawn")
    files.workflow("main", source).workflow("child", CHILD, **child)
    with activated(files, attributes=Declared({"Kind": "Keyword", "Size": "Int"})) as run:
        return start_of(run.activate(init))


def refused(files: Files, spawn: str) -> dict[str, Any]:
    """The error of a spawn, which sends nothing."""
    source = f"""return {{ main = function()
      local _, e = {spawn}
      return {{ kind = e:kind(), message = e:message(), retryable = e:retryable() or false, details = e:details() }}
    end }}"""
    files.workflow("main", source).workflow("child", CHILD)
    with activated(files, attributes=Declared({"Kind": "Keyword"})) as run:
        commands = run.activate(init)
    assert not any(command.HasField("start_child_workflow_execution") for command in commands)
    value: dict[str, Any] = wire.from_proto(commands[-1].complete_workflow_execution.result).value()
    return value


def test_a_child_without_options_is_as_its_parent_and_its_entry_say(files: Files) -> None:
    started_by = started(files, args=", 'one', 2")
    start = started_by.start_child_workflow_execution
    assert (start.seq, start.namespace, start.task_queue, start.workflow_type) == (1, "default", files.queue, "t:child")
    assert start.workflow_id.startswith("child-")
    assert len(start.workflow_id) == len("child-") + 36
    assert [wire.from_proto(value).value() for value in start.input] == ["one", 2]
    assert start.parent_close_policy == ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE
    assert start.workflow_id_reuse_policy == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    assert start.cancellation_type == ChildWorkflowCancellationType.TRY_CANCEL
    assert not start.HasField("workflow_execution_timeout")
    assert not start.HasField("workflow_run_timeout")
    assert not start.HasField("workflow_task_timeout")
    assert not start.HasField("retry_policy")
    assert start.cron_schedule == ""
    assert set(start.memo) == {wire.MEMO_BUNDLE}
    assert not start.search_attributes.indexed_fields
    assert wire.from_proto(started_by.user_metadata.summary).value() == "main.lua:1"
    assert not started_by.user_metadata.HasField("details")
    sender = wire.read_header(start.headers, wire.SENDER)
    assert sender == "{t:worker|run}"


OPTIONS = """process.with_options({
  ["workflow.id"] = "kid",
  ["workflow.task_queue"] = "elsewhere",
  ["workflow.execution_timeout"] = "3s", ["workflow.run_timeout"] = "2s", ["workflow.task_timeout"] = "1s",
  ["workflow.retry_policy"] = { maximum_attempts = 3 },
  ["workflow.priority"] = 2,
  ["workflow.parent_close_policy"] = "request_cancel",
  ["workflow.id_reuse_policy"] = "reject_duplicate",
  ["workflow.wait_for_cancellation"] = true,
  ["workflow.cron_schedule"] = "5 * * * *",
  ["workflow.memo"] = { note = "text" },
  ["workflow.search_attributes"] = { Kind = "small", Size = 7 },
  ["workflow.summary"] = "what it is", ["workflow.details"] = "all of it",
})"""


def test_every_option_reaches_temporal(files: Files) -> None:
    command = started(files, OPTIONS)
    start = command.start_child_workflow_execution
    assert (start.workflow_id, start.task_queue) == ("kid", "elsewhere")
    spans = [start.workflow_execution_timeout, start.workflow_run_timeout, start.workflow_task_timeout]
    assert [span.ToMilliseconds() for span in spans] == [3000, 2000, 1000]
    assert (start.retry_policy.maximum_attempts, start.priority.priority_key) == (3, 2)
    assert start.parent_close_policy == ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL
    assert start.workflow_id_reuse_policy == WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    assert start.cancellation_type == ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
    assert start.cron_schedule == "5 * * * *"
    assert {name: wire.from_proto(value).value() for name, value in start.memo.items()}["note"] == "text"
    attributes = start.search_attributes.indexed_fields
    assert {name: wire.from_proto(value).value() for name, value in attributes.items()} == {"Kind": "small", "Size": 7}
    assert attributes["Size"].metadata["type"] == b"Int"
    metadata = command.user_metadata
    assert wire.from_proto(metadata.summary).value() == "what it is"
    assert wire.from_proto(metadata.details).value() == "all of it"


def test_an_entry_says_what_the_call_does_not(files: Files) -> None:
    meta = {
        "temporal": {"workflow": {"worker": "worker", "name": "Kid"}},
        "options": {"workflow.run_timeout": "9s", "workflow.parent_close_policy": "abandon"},
    }
    start = started(files, "process.with_options({ ['workflow.run_timeout'] = '1s' })", meta=meta)
    child = start.start_child_workflow_execution
    assert child.workflow_type == "Kid"
    assert child.workflow_run_timeout.ToMilliseconds() == 1000
    assert child.parent_close_policy == ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON
    assert child.workflow_id.startswith("child-")


def test_a_child_has_the_context_of_the_call_else_of_its_parent(files: Files) -> None:
    start = started(files, "process.with_context({ tenant = 'acme' })").start_child_workflow_execution
    assert wire.read_header(start.headers, wire.CONTEXT) == {"tenant": "acme"}


def test_a_name_is_the_id_and_the_option_goes_before_it(files: Files) -> None:
    assert started(files, "process.with_name('kid')").start_child_workflow_execution.workflow_id == "kid"
    both = "process.with_name('kid'):with_options({ ['workflow.id'] = 'other' })"
    assert started(files, both).start_child_workflow_execution.workflow_id == "other"


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ("id_conflict_policy'] = 'terminate_existing'", "TERMINATE_IF_RUNNING"),
        ("id_conflict_policy'] = 'use_existing'", "ALLOW_DUPLICATE"),
        ("id_reuse_policy'] = 'allow_duplicate_failed_only'", "ALLOW_DUPLICATE_FAILED_ONLY"),
        (
            "id_conflict_policy'] = 'terminate_existing', ['workflow.id_reuse_policy'] = 'reject_duplicate'",
            "REJECT_DUPLICATE",
        ),
    ],
)
def test_a_child_has_no_conflict_policy_but_one_reuse_policy_that_says_the_same(
    files: Files, options: str, policy: str
) -> None:
    spawner = f"process.with_name('kid'):with_options({{ ['workflow.{options} }})"
    start = started(files, spawner).start_child_workflow_execution
    assert WorkflowIdReusePolicy.Name(start.workflow_id_reuse_policy) == f"WORKFLOW_ID_REUSE_POLICY_{policy}"


def test_the_pid_is_of_the_worker_that_serves_the_queue(files: Files) -> None:
    files.entry(name="other", kind="temporal.worker", client="temporal", task_queue="other-queue")
    files.workflow("child", CHILD)
    for host, pid, queue in (
        ("t:other", "{t:other|kid}", "other-queue"),
        ("other-queue", "{t:other|kid}", "other-queue"),
        ("nobody's", "{nobody's|kid}", "nobody's"),
        ("t:worker", "{t:worker|kid}", files.queue),
    ):
        source = f'return {{ main = function() workflow.status(process.with_name("kid"):spawn("t:child", "{host}")) process.inbox():receive() end }}'
        files.workflow("main", source)
        with activated(files) as run:
            start = start_of(run.activate(init)).start_child_workflow_execution
            assert start.task_queue == queue

            def begun(job: WorkflowActivationJob) -> None:
                job.resolve_child_workflow_execution_start.seq = 1
                job.resolve_child_workflow_execution_start.succeeded.run_id = "r1"

            def status(job: WorkflowActivationJob) -> None:
                job.query_workflow.query_id, job.query_workflow.query_type = "q", "__status"

            run.activate(begun)
            [answer] = run.activate(status)
            assert wire.from_proto(answer.respond_to_query.succeeded.response).value() == pid


@pytest.mark.parametrize(
    ("spawn", "kind", "message", "details", "retryable"),
    [
        (
            "process.spawn('t:nobody', 't:worker')",
            NOT_FOUND, "workflow t:nobody not found in the registry", {"id": "t:nobody"}, True,
        ),
        (
            "process.spawn('t:child', 't:nobody')",
            NOT_FOUND, "temporal.worker t:nobody not found", {"host": "t:nobody"}, False,
        ),
        (
            "process.spawn('t:child', 't:main')",
            INVALID, "t:child: t:main is a workflow.lua, not a temporal.worker", {"id": "t:child", "host": "t:main"}, False,
        ),
        (
            "process.with_options({ ['workflow.namespace'] = 'other' }):spawn('t:child', 't:worker')",
            INVALID, 'option "workflow.namespace": a child runs in the namespace of its parent, default',
            {"option": "workflow.namespace"}, False,
        ),
        (
            "process.with_options({ ['workflow.start_delay'] = '1s', ['workflow.parent_close_policy'] = 'abandon' })"
            ":spawn('t:child', 't:worker')",
            INVALID, 'options "workflow.start_delay" and "workflow.parent_close_policy" abandon exclude each other: a child that has '
            "not started ends with its parent", {"option": "workflow.start_delay"}, False,
        ),
        (
            "process.with_options({ ['workflow.search_attributes'] = { Color = 'red' } }):spawn('t:child', 't:worker')",
            INVALID, 'search attribute "Color" is not declared by the temporal.client', {"name": "Color"}, False,
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_sent(
    files: Files, spawn: str, kind: str, message: str, details: dict[str, Any], retryable: bool
) -> None:
    error = refused(files, spawn)
    assert error == {"kind": kind, "message": message, "retryable": retryable, "details": details}


def test_the_namespace_of_the_parent_may_be_named(files: Files) -> None:
    spawner = "process.with_options({ ['workflow.namespace'] = 'default' })"
    assert started(files, spawner).start_child_workflow_execution.namespace == "default"
