"""The one error: what becomes of it between processes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from runtime.errors import Error


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
