"""The delay of a child: it ends once, and everybody who waits for the child hears whether it has started."""

from __future__ import annotations

from runtime.errors import CANCELED, INVALID, Error
from runtime.temporal.workflow.delayed_start import DelayedStart


def delay() -> tuple[DelayedStart, list[Error | None]]:
    over: list[Error | None] = []
    return DelayedStart(over.append), over


def test_a_delay_that_is_skipped_is_over_once() -> None:
    made, over = delay()
    made.skip()
    made.skip()
    assert over == [None]
    assert made.give_up("too late") is False
    assert over == [None]
    assert made.elapse() is None


def test_a_child_that_is_given_up_is_canceled() -> None:
    made, over = delay()
    assert made.give_up("not wanted") is True
    assert made.give_up("not wanted") is False
    [error] = over
    assert error is not None
    assert (error.kind, str(error), error.retryable) == (CANCELED, "not wanted", False)
    assert made.elapse() is error


def test_it_ends_with_the_error_that_it_is_given() -> None:
    made, over = delay()
    error = Error(INVALID, "no")
    assert made.end(error) is True
    assert over == [error]
    assert made.elapse() is error


def test_a_delay_that_has_passed_cannot_be_ended_any_more() -> None:
    made, over = delay()
    assert made.elapse() is None
    made.skip()
    assert made.give_up("too late") is False
    assert over == []


def test_everybody_hears_whether_the_child_has_started() -> None:
    for started in (True, False):
        made, _ = delay()
        heard: list[tuple[str, bool]] = []
        made.when_started(lambda is_so, heard=heard: heard.append(("first", is_so)))  # type: ignore[misc]
        made.when_started(lambda is_so, heard=heard: heard.append(("second", is_so)))  # type: ignore[misc]
        assert (made.started, heard) == (None, [])
        made.settle(started)
        made.when_started(lambda is_so, heard=heard: heard.append(("later", is_so)))  # type: ignore[misc]
        assert made.started is started
        assert heard == [("first", started), ("second", started), ("later", started)]
