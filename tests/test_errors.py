"""The one error: how it is made, and what becomes of it between processes."""

from __future__ import annotations

import ast
import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime import errors
from runtime.errors import Error

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_is_whole_after_pickling_and_copying(again: Any) -> None:
    cause = Error("Timeout", "too late")
    error = Error(
        "Conflict", "taken", retryable=False, details={"n": 1}, stack="a.lua:1", context="booking", cause=cause
    )
    copied = again(error)
    assert isinstance(copied, Error)
    assert str(copied) == str(error) == "booking: taken"
    fields = ("kind", "message", "retryable", "details", "stack", "context")
    assert [getattr(copied, name) for name in fields] == [getattr(error, name) for name in fields]
    assert copied.cause is not None
    assert (copied.cause.kind, copied.cause.message) == ("Timeout", "too late")


@pytest.mark.parametrize(
    ("make", "retryable"), [(errors.not_found, False), (errors.not_deployed, True)], ids=["not_found", "not_deployed"]
)
def test_what_is_missing_is_said_in_one_way(make: Any, retryable: bool) -> None:
    error = make("queue", "app:jobs")
    assert (error.kind, str(error), error.details) == ("NotFound", "queue not found: app:jobs", {"id": "app:jobs"})
    assert error.retryable is retryable
    hinted = make("queue", "app:job", 'did you mean "app:jobs"?', queue="app:job")
    assert (str(hinted), hinted.details) == (
        'queue not found: app:job; did you mean "app:jobs"?',
        {"queue": "app:job"},
    )


MAKERS = [
    errors.invalid,
    errors.internal,
    errors.already_exists,
    errors.conflict,
    errors.permission_denied,
    errors.limit_exceeded,
    errors.rate_limited,
    errors.unavailable,
    errors.timed_out,
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_an_error_of_a_kind_is_retried_as_its_kind_is(make: Any) -> None:
    error = make("so it is", n=1)
    assert (error.message, error.details) == ("so it is", {"n": 1})
    assert error.kind in errors.KINDS
    # A host's own fault and a cancellation are the two that say otherwise than their kinds.
    assert error.is_retried is (error.kind not in errors.NOT_RETRIED and error.kind != errors.INTERNAL)


def test_what_was_canceled_is_not_tried_again() -> None:
    assert (errors.canceled().kind, str(errors.canceled()), errors.canceled().is_retried) == (
        "Canceled",
        "canceled",
        False,
    )


#: They pass on what somebody else said, in the words it was said in; those of tests say what a server would.
RELAYS = {
    "runtime/errors.py",
    "runtime/temporal/failures.py",
    "runtime/cli/processes.py",
    "runtime/testing/attempts.py",
    "runtime/testing/children.py",
}


def by_hand() -> Iterator[str]:
    """Where an error is made with a kind that is written there, not through the function of that kind."""
    for path in sorted((ROOT / "runtime").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) in ("Error", "errors.Error") and call.args):
                continue
            kind = ast.unparse(call.args[0]).removeprefix("errors.")
            if kind.isupper() or isinstance(call.args[0], ast.Constant):
                yield path.relative_to(ROOT).as_posix()


def test_errors_are_made_by_kind() -> None:
    assert {place for place in by_hand() if place not in RELAYS} == set()
