"""The events that wait for an execution's next step, and how many of them a step is given."""

from __future__ import annotations

from collections import deque

from runtime.lua.protocol import Event

#: Seconds. Each event of a step has the instruction budget for itself, so an execution that takes long over its events is
#: given fewer of them at a time: whoever waits for a thread waits for one budget, not for many.
_SHORT, _LONG = 0.002, 0.02
_MOST, _FIRST = 256, 8


class Queue:
    """Begins with the event that starts a program."""

    def __init__(self, start: Event) -> None:
        self._events: deque[Event] = deque([start])
        self._share = _FIRST

    def __bool__(self) -> bool:
        return bool(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> None:
        self._events.append(event)

    def take(self) -> list[Event]:
        """The events of the next step, in order.

        An end or a cancellation is the first of its step: a program that is upgraded by an earlier event hands on only
        the messages that came with it.
        """
        taken: list[Event] = []
        while self._events and len(taken) < self._share:
            if taken and self._events[0]["t"] in ("process", "cancel"):
                break
            taken.append(self._events.popleft())
        return taken

    def took(self, seconds: float) -> None:
        """How long the last step was."""
        if seconds > _LONG:
            self._share = 1
        elif seconds < _SHORT:
            self._share = min(self._share * 2, _MOST)

    def begin_again(self, start: Event, unread: list[Event]) -> None:
        """For the next program of the same process: outcomes of the last one's commands mean nothing to it."""
        waiting = [event for event in self._events if event["t"] != "result"]
        self._events = deque([start, *unread, *waiting])
