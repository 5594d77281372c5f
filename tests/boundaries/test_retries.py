"""Which errors are tried again, and when."""

from __future__ import annotations

from temporalio.api.workflow.v1 import PendingActivityInfo

from runtime import errors
from tests.boundaries.site import Site
from tests.waiting import eventually

KINDS = [*sorted(errors.KINDS), "CardDeclined"]
ONCE = {
    errors.INVALID,
    errors.NOT_FOUND,
    errors.PERMISSION_DENIED,
    errors.ALREADY_EXISTS,
    errors.CONFLICT,
    errors.LIMIT_EXCEEDED,
}


async def test_the_kind_decides_where_the_error_does_not_say(site: Site) -> None:
    run = await site.start("attempts", [{"kind": kind} for kind in KINDS])
    expected = [1 if kind in ONCE else 2 for kind in KINDS]
    assert await site.runtime.result(run, timeout=300.0) == [f"attempt {count}" for count in expected]
    assert sorted(event["attempt"] for event in await site.events(run, "ACTIVITY_TASK_STARTED")) == sorted(expected)


async def test_retryable_true_is_tried_again_whatever_the_kind(site: Site) -> None:
    fields = [{"kind": kind, "retryable": True} for kind in KINDS]
    assert await site.run("attempts", fields) == ["attempt 2"] * len(KINDS)


async def test_retryable_false_never_is(site: Site) -> None:
    fields = [{"kind": kind, "retryable": False} for kind in KINDS]
    assert await site.run("attempts", fields) == ["attempt 1"] * len(KINDS)


async def test_a_raise_is_not_tried_again_and_a_python_exception_is(site: Site) -> None:
    for function, attempts in (("raises", 1), ("py_raises", 2)):
        run = await site.start("sees", f"b:{function}")
        await site.runtime.result(run, timeout=300.0)
        [started] = await site.events(run, "ACTIVITY_TASK_STARTED")
        assert started["attempt"] == attempts


async def test_retry_after_comes_before_the_policy(site: Site) -> None:
    """The policy would wait an hour: that a second attempt is made at all is the error's doing."""
    run = await site.start("patient", 20, "1h")
    assert await site.runtime.result(run, timeout=300.0) == "done"
    [started] = await site.events(run, "ACTIVITY_TASK_STARTED")
    assert started["attempt"] == 2
    assert started["lastFailure"]["applicationFailureInfo"]["nextRetryDelay"] == "0.020s"


async def test_the_next_attempt_is_scheduled_as_retry_after_says(site: Site) -> None:
    run = await site.start("patient", 3_600_000, "1ms")
    pending = await _waiting(site, run)
    assert pending.current_retry_interval.ToSeconds() == 3600
    due = pending.next_attempt_schedule_time.ToDatetime() - pending.last_attempt_complete_time.ToDatetime()
    assert round(due.total_seconds()) == 3600
    await site.runtime.terminate(run)


async def _waiting(site: Site, run: str) -> PendingActivityInfo:
    """The run's activity, once its first attempt has failed."""

    async def failed_once() -> PendingActivityInfo | None:
        description = await site.client.get_workflow_handle(run).describe()
        for pending in description.raw_description.pending_activities:
            if pending.HasField("last_failure") and pending.HasField("next_attempt_schedule_time"):
                return pending
        return None

    found: PendingActivityInfo | None = await eventually(failed_once, lambda pending: pending is not None, every=0.05)
    assert found is not None
    return found
