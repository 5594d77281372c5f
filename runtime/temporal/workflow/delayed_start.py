"""The option `workflow.start_delay` of a child. Temporal's command for children has no such field, so the run waits on a timer of its own.

Meanwhile the child has a PID and no run: what is done to it is done here. As with Temporal's own delay, a message ends it.
"""

from __future__ import annotations

from collections.abc import Callable

from runtime import errors
from runtime.errors import Error


class DelayedStart:
    """The delayed start of one child, in `Run.delays` by its workflow id until the child has started, or will not.

    `over` is called once, with None when the child is to start and the error when it is not to. What is meant for the child waits by
    `when_started`, and hears whether the child has started.
    """

    __slots__ = ("_error", "_followers", "_is_over", "_over", "started")

    def __init__(self, over: Callable[[Error | None], None]) -> None:
        self.started: bool | None = None
        self._over = over
        self._is_over = False
        self._error: Error | None = None
        self._followers: list[Callable[[bool], None]] = []

    def skip(self) -> None:
        """The child is to start now."""
        self.end(None)

    def give_up(self, why: str) -> bool:
        """Whether it was not too late."""
        return self.end(errors.canceled(why))

    def end(self, error: Error | None) -> bool:
        if self._is_over:
            return False
        self._is_over, self._error = True, error
        self._over(error)
        return True

    def elapse(self) -> Error | None:
        """The delay has passed. What ended it before still holds, also where nobody has heard of that yet."""
        self._is_over = True
        return self._error

    def when_started(self, follower: Callable[[bool], None]) -> None:
        if self.started is None:
            self._followers.append(follower)
        else:
            follower(self.started)

    def settle(self, started: bool) -> None:
        """Tells everybody who waits. Once."""
        self.started = started
        for follower in self._followers:
            follower(started)
