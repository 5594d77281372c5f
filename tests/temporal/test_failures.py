"""Errors across the boundary, both ways."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
)

from runtime import errors
from runtime.errors import Error
from runtime.temporal import failures

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def chains(draw: st.DrawFn) -> Error:
    error = None
    for _ in range(draw(st.integers(1, 3))):
        error = Error(
            draw(st.sampled_from(sorted(errors.KINDS)) | TEXT),
            draw(TEXT),
            retryable=draw(st.none() | st.booleans()),
            details=draw(st.none() | st.dictionaries(TEXT, JSON, min_size=1, max_size=3)),
            stack=draw(st.none() | TEXT),
            context=draw(st.none() | TEXT),
            cause=error,
        )
    assert error is not None
    return error


@given(chains())
def test_a_chain_comes_back_as_it_went(error: Error) -> None:
    raised = failures.to_failure(error)
    assert failures.from_failure(raised).to_wire() == error.to_wire()
    assert raised.type == (error.kind or "Internal")
    assert raised.non_retryable == (not error.is_retried)


def test_the_stack_temporal_shows_is_the_lua_one() -> None:
    failure = failures.to_failure(Error("Internal", "broke", stack="order.lua:7: in main")).failure
    assert failure is not None
    assert failure.stack_trace == "order.lua:7: in main"


def test_retry_after_sets_the_next_delay() -> None:
    raised = failures.to_failure(Error("RateLimited", "slow down", details={"retry_after": 1500}))
    assert raised.next_retry_delay == timedelta(milliseconds=1500)


def test_an_error_too_large_for_a_failure_keeps_its_head() -> None:
    raised = failures.to_failure(Error("Invalid", "bad", details={"blob": "x" * 3_000_000}))
    back = failures.from_failure(raised)
    assert (back.kind, back.message, back.details) == ("Invalid", "bad", None)


@pytest.mark.parametrize(
    ("failure", "kind", "details"),
    [
        (CancelledError("stop"), errors.CANCELED, None),
        (TerminatedError("by hand"), errors.CANCELED, None),
        (
            TimeoutError("late", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]),
            errors.TIMEOUT,
            {"timeout_type": "StartToClose"},
        ),
        (ApplicationError("x", type="Conflict"), errors.CONFLICT, None),
        (ApplicationError("x", {"n": 1}, type="ValueError"), errors.UNKNOWN, {"n": 1}),
    ],
)
def test_what_other_sdks_raise(failure: BaseException, kind: str, details: object) -> None:
    error = failures.from_failure(failure)
    assert (error.kind, error.details) == (kind, details)


def test_a_type_no_worker_registered_is_not_found_and_worth_another_try() -> None:
    error = failures.from_failure(
        ApplicationError("Activity charge is not registered on this worker", type="NotFoundError")
    )
    assert (error.kind, error.retryable) == (errors.NOT_FOUND, True)


def test_where_it_happened_is_added_to_the_details() -> None:
    failure = ActivityError(
        "activity failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="w",
        activity_type="t:charge",
        activity_id="3",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    failure.__cause__ = failures.to_failure(Error("Invalid", "no", details={"left": 0}))
    error = failures.from_failure(failure)
    assert error.details == {"left": 0, "_activity_id": "3", "_retry_state": "MAXIMUM_ATTEMPTS_REACHED"}
