"""Every feature that puts something into history, with what its history shows."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from temporalio.client import WorkflowUpdateFailedError

from tests.histories.features.outside import Feature, Visit

CALL = ("ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_STARTED", "ACTIVITY_TASK_COMPLETED")
FAILING = ("ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_STARTED", "ACTIVITY_TASK_FAILED")
TIMER = ("TIMER_STARTED", "TIMER_FIRED")
STOPPED = ("TIMER_STARTED", "TIMER_CANCELED")
CHILD = (
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
    "CHILD_WORKFLOW_EXECUTION_STARTED",
    "CHILD_WORKFLOW_EXECUTION_COMPLETED",
)
BEGUN, FAILED_CHILD = CHILD[:2], (*CHILD[:2], "CHILD_WORKFLOW_EXECUTION_FAILED")
UPDATED = ("WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "WORKFLOW_EXECUTION_UPDATE_COMPLETED")
SIGNALED = "WORKFLOW_EXECUTION_SIGNALED"
ASKED_TO_CANCEL = "WORKFLOW_EXECUTION_CANCEL_REQUESTED"


_WHO = ["security.Scope{features:callers}", True]
_SEEN = {
    "mine": ["ann", {"role": "clerk"}, *_WHO],
    "near": ["ann", {"role": "clerk"}, *_WHO],
    "bobs": ["bob", {}, *_WHO],
    "child": ["eve", {"n": 1}, *_WHO],
    "call": {
        "kind": "PermissionDenied",
        "message": "funcs.call on features:fails is not allowed to ann",
        "text": "funcs.call on features:fails is not allowed to ann",
        "retryable": False,
        "details": {"action": "funcs.call", "resource": "features:fails", "actor": "ann"},
    },
    "send": "PermissionDenied",
    "exec": "PermissionDenied",
    "scope": "PermissionDenied",
}


async def _messages_while_running(visit: Visit) -> None:
    await visit.until("WORKFLOW_TASK_COMPLETED")
    await visit.send("one", 1)
    await visit.until("ACTIVITY_TASK_COMPLETED", 2)
    await visit.send("two", {"n": 2})


async def _messages_before_anybody_reads(visit: Visit) -> None:
    for topic, value in (("a", 1), ("b", {"n": 2}), ("c", None), ("go", True)):
        await visit.send(topic, value)


async def _orders(visit: Visit) -> None:
    await visit.send("orders", 1)
    await visit.send("orders", 2)
    await visit.send("other", "x")
    await visit.until("ACTIVITY_TASK_COMPLETED")
    await visit.send("orders", 3)


async def _to_three_runs(visit: Visit) -> None:
    for number in range(3):
        await visit.send("note", {"n": number})
    await visit.send("go", True)


async def _second(visit: Visit) -> None:
    await visit.until("WORKFLOW_TASK_COMPLETED")
    await visit.send("more", 2)


async def _go(visit: Visit) -> None:
    await visit.until("ACTIVITY_TASK_COMPLETED")
    await visit.send("go", True)


async def _cancel_the_call(visit: Visit) -> None:
    await visit.until("ACTIVITY_TASK_SCHEDULED")
    await visit.send("cancel", True)


async def _queries(visit: Visit) -> None:
    for number in (1, 2):
        assert await visit.handle.query("n", "me") == {"n": number - 1, "by": "me"}
        await visit.send("next", number)


async def _updates(visit: Visit) -> None:
    assert await visit.update("add", 2) == 2
    with pytest.raises(WorkflowUpdateFailedError):
        await visit.update("add", -1)
    assert await visit.update("slowly", 3) == 5
    with pytest.raises(WorkflowUpdateFailedError):
        await visit.update("fails")
    await visit.update("finish")


async def _updates_by_message(visit: Visit) -> None:
    assert await visit.update("set", 4) == 8
    with pytest.raises(WorkflowUpdateFailedError):
        await visit.update("set", 0)


async def _cancel(visit: Visit) -> None:
    await visit.until("WORKFLOW_TASK_COMPLETED")
    await visit.runtime.cancel(visit.id, "enough")


async def _cancel_when_all_waits(visit: Visit) -> None:
    await visit.until("CHILD_WORKFLOW_EXECUTION_STARTED")
    await visit.runtime.cancel(visit.id, "enough")


async def _cancel_at_once(visit: Visit) -> None:
    await visit.runtime.cancel(visit.id, "early")


CALLS: Mapping[str, Feature] = {
    "call_lua": Feature(CALL, {"n": 1, "f": 1.0, "text": "ü"}),
    "call_python": Feature(CALL, {"greeting": "hello ann", "times": 3, "half": 1.5}),
    "call_local": Feature(("MARKER_RECORDED",), 41),
    "call_local_retried": Feature(("MARKER_RECORDED",), 3),
    "call_fails": Feature((*FAILING, *FAILING, *CALL), 8),
    "call_retried": Feature(CALL, 3),
    "call_attempts_spent": Feature((*FAILING, *CALL), "Unavailable"),
    "retry_after": Feature(CALL, "done"),
    "call_timeout": Feature(("ACTIVITY_TASK_TIMED_OUT", *CALL), ["Timeout", "StartToClose"]),
    "call_unknown": Feature(("MARKER_RECORDED", *CALL), "NotFound"),
    "call_canceled": Feature(
        ("ACTIVITY_TASK_CANCEL_REQUESTED", "ACTIVITY_TASK_CANCELED", *CALL), "Canceled", outside=_cancel_the_call
    ),
    "call_canceled_at_once": Feature((), "Canceled"),
    "call_options": Feature(CALL, 1),
    "call_refused_options": Feature(CALL, "refused"),
    "call_context": Feature(
        (*CALL, *CHILD),
        {
            "mine": {"tenant": "acme"},
            "plain": {"tenant": "acme"},
            "own": {"tenant": "acme", "user": {"id": 7}},
            "child": {"tenant": "other"},
        },
        context={"tenant": "acme"},
    ),
    "call_scoped": Feature(
        (*CALL, *CHILD, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"),
        [_SEEN, ["ann", {"role": "clerk"}, "security.Scope{features:callers}", True]],
        actor={"id": "ann", "meta": {"role": "clerk"}},
        scope=["features:callers"],
        runs=2,
    ),
    "call_many": Feature((*CALL, *CALL), [[1, 2, 3, 4, 5], 1, "only", "through a channel"]),
}

TIMERS: Mapping[str, Feature] = {
    "sleep": Feature((*TIMER, *CALL), "slept"),
    "after": Feature((*TIMER, *CALL), [True, False]),
    "timer": Feature((*TIMER, *CALL), False),
    "timer_stop": Feature(STOPPED, [True, False]),
    "timer_reset": Feature((*STOPPED, "TIMER_FIRED"), [True, False, True]),
    "timer_stopped_at_once": Feature(CALL, True),
    "ticker": Feature((*TIMER, *TIMER, *TIMER, *CALL), 3),
    "select": Feature((*TIMER, *CALL), ["answer", "value"]),
    "wait_timeout": Feature((*TIMER, *CALL), [False, True]),
}

MESSAGES: Mapping[str, Feature] = {
    "signal_with_start": Feature(
        ("WORKFLOW_EXECUTION_STARTED", SIGNALED, "WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED", SIGNALED),
        [["one", "", {"n": 1}], ["more", "", 2]],
        first=("one", {"n": 1}),
        outside=_second,
    ),
    "signal_while_running": Feature(
        ("WORKFLOW_TASK_COMPLETED", SIGNALED, *CALL, *CALL, SIGNALED),
        [["one", "", 1], ["two", "", {"n": 2}]],
        outside=_messages_while_running,
    ),
    "signal_retained": Feature(
        (SIGNALED, SIGNALED, SIGNALED, SIGNALED, *CALL),
        [["a", "", 1], ["b", "", {"n": 2}], ["c", "", None]],
        outside=_messages_before_anybody_reads,
    ),
    "listen": Feature(
        (SIGNALED, SIGNALED, "ACTIVITY_TASK_COMPLETED", SIGNALED), [1, 2, "x", "orders"], outside=_orders
    ),
    "send_self": Feature(CALL, {"n": 1}),
    "send_other": Feature(
        (
            *BEGUN,
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED",
            SIGNALED,
            *CALL,
        ),
        [10, 20, 30],
    ),
    "send_function": Feature(("ACTIVITY_TASK_SCHEDULED", SIGNALED, *CALL), 42),
    "end_process": Feature(
        (
            "MARKER_RECORDED",
            "ACTIVITY_TASK_SCHEDULED",
            "ACTIVITY_TASK_COMPLETED",
            "ACTIVITY_TASK_SCHEDULED",
            "ACTIVITY_TASK_SCHEDULED",
            "ACTIVITY_TASK_FAILED",
            "ACTIVITY_TASK_FAILED",
            *CALL,
        ),
        [["pid.cancel", "enough", True], "Canceled", "NotFound", "NotFound"],
    ),
    "end_process_refused": Feature(CALL, ["NotFound", "NotFound"], superseded=True),
    "send_missing": Feature(
        (
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
            "MARKER_RECORDED",
            "ACTIVITY_TASK_FAILED",
            "ACTIVITY_TASK_FAILED",
            *CALL,
        ),
        "NotFound",
    ),
    "send_missing_by_command": Feature(
        (
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
            "ACTIVITY_TASK_FAILED",
            *CALL,
        ),
        "NotFound",
        superseded=True,
    ),
    "send_ended": Feature(
        (
            *CHILD,
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
            "MARKER_RECORDED",
            "ACTIVITY_TASK_FAILED",
            "ACTIVITY_TASK_FAILED",
            *CALL,
        ),
        ["NotFound", "NotFound", "NotFound"],
    ),
}

CHILDREN: Mapping[str, Feature] = {
    "spawn_exit": Feature((*CHILD, *CALL), ["pid.exit", 3, None, None]),
    "spawn_failing": Feature((*FAILED_CHILD, *CALL), ["pid.exit", None, "Conflict", "taken"]),
    "spawn_linked": Feature((*FAILED_CHILD, *CALL), ["pid.link.down", "pid.exit", "Internal"]),
    "exec_value": Feature(CHILD, 42),
    "exec_error": Feature((*FAILED_CHILD, *CALL), "reserving: taken"),
    "workflow_exec": Feature((*CHILD, *FAILED_CHILD, *CALL), 2),
    "child_unknown": Feature(("MARKER_RECORDED", *CALL), "NotFound"),
    "child_on_no_worker": Feature(("MARKER_RECORDED", *CALL), ["NotFound", "Invalid"]),
    "child_canceled": Feature(
        (*BEGUN, "MARKER_RECORDED", "ACTIVITY_TASK_SCHEDULED", "CHILD_WORKFLOW_EXECUTION_CANCELED", *CALL),
        "Canceled",
    ),
    "child_canceled_by_command": Feature(
        (
            *BEGUN,
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "CHILD_WORKFLOW_EXECUTION_CANCELED",
            *CALL,
        ),
        "Canceled",
        superseded=True,
    ),
    "child_terminated": Feature(
        (*BEGUN, "ACTIVITY_TASK_SCHEDULED", "CHILD_WORKFLOW_EXECUTION_TERMINATED", *CALL),
        ["Canceled", "workflow terminated"],
    ),
    "with_name": Feature(
        (*BEGUN, "START_CHILD_WORKFLOW_EXECUTION_FAILED", "START_CHILD_WORKFLOW_EXECUTION_FAILED", *CALL),
        ["AlreadyExists", True, "shared", "shared"],
    ),
    "with_message": Feature((*BEGUN, "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED"), {"n": 1}),
    "child_options": Feature(CHILD, 5),
    "child_delayed": Feature(
        (
            "MARKER_RECORDED",
            *TIMER,
            *CHILD,
            "ACTIVITY_TASK_SCHEDULED",
            "TIMER_STARTED",
            "TIMER_CANCELED",
            *CHILD,
            *CALL,
        ),
        [3, "Canceled", "early"],
    ),
    "child_abandoned": Feature(BEGUN, 1),
}

RUNS: Mapping[str, Feature] = {
    "upgrade": Feature(
        (SIGNALED, SIGNALED, SIGNALED, SIGNALED, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"),
        [{"n": 0}, {"n": 1}, {"n": 2}],
        outside=_to_three_runs,
        context={"tenant": "acme"},
        runs=4,
    ),
    "upgrade_other": Feature(("WORKFLOW_EXECUTION_CONTINUED_AS_NEW",), [2, "features:upgraded"], args=(1,), runs=2),
    "upgrade_events": Feature(
        ("MARKER_RECORDED", "ACTIVITY_TASK_SCHEDULED", ASKED_TO_CANCEL, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"),
        [["pid.exit", "Canceled"], ["pid.cancel", "enough"]],
        runs=2,
    ),
    "scheduled": Feature(
        (
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_STARTED",
            "MARKER_RECORDED",
            "WORKFLOW_PROPERTIES_MODIFIED",
            *CALL,
        ),
        [{"n": 1, "empty": {}}, True, True],
        schedule="features:yearly",
    ),
    "version": Feature(("MARKER_RECORDED", *CALL, "MARKER_RECORDED"), [3, 3, 1]),
    "version_loop": Feature(("MARKER_RECORDED", *CALL, *CALL, *CALL), [2, 2, 2]),
    "version_older": Feature(
        (*CALL, SIGNALED, *CALL),
        "old",
        outside=_go,
        recorded_with=["features:version_older:method=before"],
    ),
    "patched": Feature(("MARKER_RECORDED", *CALL, "MARKER_RECORDED", *CALL), True),
    "search_attributes": Feature(
        ("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", *CALL, "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"), "set"
    ),
    "memo": Feature(
        ("WORKFLOW_PROPERTIES_MODIFIED", *CALL, "WORKFLOW_PROPERTIES_MODIFIED"),
        "set",
    ),
    "status": Feature((*CALL, *CALL), "shown"),
    "query": Feature((SIGNALED, SIGNALED), 2, outside=_queries),
    "update": Feature((*UPDATED, *UPDATED[:1], *TIMER, *CALL, *UPDATED[1:], *UPDATED, *UPDATED), 5, outside=_updates),
    "update_by_message": Feature(
        (*UPDATED[:1], *CALL, *UPDATED[1:], *UPDATED[:1], *CALL, *UPDATED[1:]), "answered", outside=_updates_by_message
    ),
    "run_fails": Feature((), "Conflict", ends="FAILED"),
    "run_raises": Feature((), "Internal", ends="FAILED"),
}

ENDINGS: Mapping[str, Feature] = {
    "cancel_trapped": Feature((ASKED_TO_CANCEL, *CALL), "enough", outside=_cancel),
    "cancel_untrapped": Feature(
        (*STOPPED[:1], ASKED_TO_CANCEL, *STOPPED[1:]), "Canceled", outside=_cancel, ends="CANCELED"
    ),
    "cancel_everything": Feature(
        (
            *BEGUN,
            ASKED_TO_CANCEL,
            "TIMER_CANCELED",
            "ACTIVITY_TASK_CANCEL_REQUESTED",
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
        ),
        "Canceled",
        outside=_cancel_when_all_waits,
        ends="CANCELED",
    ),
    "cancel_compensated": Feature(
        (ASKED_TO_CANCEL, *CALL, *FAILING, *CALL, *CALL), "Canceled", outside=_cancel, ends="CANCELED"
    ),
    "cancel_itself": Feature(
        ("MARKER_RECORDED", "ACTIVITY_TASK_SCHEDULED", ASKED_TO_CANCEL, *CALL), ["pid.cancel", "enough", True]
    ),
    "cancel_before_start": Feature(
        ("WORKFLOW_EXECUTION_STARTED", ASKED_TO_CANCEL, "WORKFLOW_TASK_STARTED"),
        "early",
        outside=_cancel_at_once,
        options={"start_delay": "1h"},
    ),
    "saga": Feature((*CALL, *FAILING, *CALL, *CALL), [False, 1, "features:undo", "cannot be undone"]),
    "saga_parallel": Feature(("ACTIVITY_TASK_SCHEDULED",) * 3 + CALL, [False, 1, "features:undo", "cannot be undone"]),
}

VALUES: Mapping[str, Feature] = {
    "random": Feature((*CALL, *CALL, *CHILD), 16),
    "json": Feature(CALL, "same"),
    "order": Feature(CALL, 9),
    "time": Feature(CALL, "2024-02-29"),
    "errors": Feature(CALL, 6),
    "encodings": Feature(CALL, "same"),
}

FEATURES: Mapping[str, Feature] = {**CALLS, **TIMERS, **MESSAGES, **CHILDREN, **RUNS, **ENDINGS, **VALUES}
