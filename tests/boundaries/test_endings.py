"""What timeouts, cancellations and terminations become."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from runtime import errors
from tests.boundaries.site import Site


@pytest.mark.parametrize(
    ("function", "options", "timeout"),
    [
        ("never", {"activity.start_to_close_timeout": "200ms"}, "StartToClose"),
        ("never", {"activity.schedule_to_close_timeout": "200ms"}, "ScheduleToClose"),
        ("echo", {"activity.schedule_to_start_timeout": "200ms", "activity.task_queue": "nobody"}, "ScheduleToStart"),
        ("silent", {"activity.heartbeat_timeout": "500ms"}, "Heartbeat"),
    ],
)
async def test_a_timeout_of_an_activity(function: str, options: Mapping[str, str], timeout: str, site: Site) -> None:
    seen = await site.run("times_out", f"b:{function}", dict(options))
    assert (seen["kind"], seen["details"]["timeout_type"]) == (errors.TIMEOUT, timeout)
    assert seen["details"].keys() >= {"_activity_id", "_retry_state"}
    if timeout == "Heartbeat":
        assert seen["details"]["last_heartbeat"] == {"step": 7}


async def test_a_timeout_of_a_child(site: Site) -> None:
    seen = await site.run("child_times_out")
    assert (seen["kind"], seen["details"]["timeout_type"]) == (errors.TIMEOUT, "StartToClose")
    assert seen["details"].keys() >= {"_workflow_id", "_run_id", "_retry_state"}


async def test_a_timeout_of_the_run_itself(site: Site) -> None:
    started = await site.runtime.start("b:sleeps", run_timeout="1s")
    error = await site.failure(started.id)
    assert (error.kind, (error.details or {})["timeout_type"]) == (errors.TIMEOUT, "StartToClose")
    answer = await site.result(started.id)
    assert (answer.status, answer.json["kind"]) == (409, "Timeout")


@pytest.mark.parametrize(("how", "message"), [("terminate", "workflow terminated"), ("cancel", "workflow canceled")])
async def test_a_child_that_is_ended(how: str, message: str, site: Site) -> None:
    seen = await site.run("ends_child", how)
    assert (seen["kind"], seen["message"], seen["retryable"]) == (errors.CANCELED, message, False)
    assert seen["details"].keys() >= {"_workflow_id", "_run_id"}


@pytest.mark.parametrize(("how", "message"), [("terminate", "workflow terminated"), ("cancel", "workflow canceled")])
async def test_a_run_that_is_ended(how: str, message: str, site: Site) -> None:
    run = await site.start("sleeps")
    await getattr(site.runtime, how)(run, "enough")
    error = await site.failure(run)
    assert (error.kind, error.message, error.retryable) == (
        errors.CANCELED,
        f"{message} by {os.getpid()}@{socket.gethostname()}: enough",
        False,
    )
    details: dict[str, Any] = error.details or {}
    assert details["_workflow_id"] == run
    answer = await site.result(run)
    assert (answer.status, answer.json["kind"], answer.json["details"]) == (409, "Canceled", details)
