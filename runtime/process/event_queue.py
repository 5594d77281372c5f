"""The events that wait for an execution's next step, and how many of them a step is given."""

from __future__ import annotations

from collections import deque

from runtime.lua.protocol import Event

#: Seconds. Each event of a step has the instruction budget for itself, so an execution that takes long over its events is
#: given fewer of them at a time: whoever waits for a thread waits for one budget, not for many.
_SHORT, _LONG = 0.002, 0.02
_MOST, _FIRST = 256, 8

#: How much of what others send may wait: so many events of a kind, and of messages so many bytes. An execution that does not get to
#: its messages would otherwise fill the host's memory, which no limit of a script measures.
MAX_WAITING = {"message": 100_000, "cancel": 1000}
MAX_BYTES = 64 * 1024 * 1024


class EventQueue:
    """The queue of events for one execution. It begins with the event that starts the program."""

    def __init__(self, start: Event) -> None:
        self._events: deque[Event] = deque()
        self._waiting = dict.fromkeys(MAX_WAITING, 0)
        self._bytes = 0
        self.add(start)
        self._share = _FIRST

    def __bool__(self) -> bool:
        return bool(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def takes(self, event: Event) -> bool:
        """Whether there is room for it. What an execution asked for itself is always taken."""
        kind = event["t"]
        if kind == "message" and self._bytes + _size(event) > MAX_BYTES:
            return False
        return kind not in MAX_WAITING or self._waiting[kind] < MAX_WAITING[kind]

    def add(self, event: Event) -> None:
        self._events.append(event)
        self._count(event, 1)

    def take(self) -> list[Event]:
        """The events of the next step, in order.

        An end or a cancellation is the first of its step: a program that is upgraded by an earlier event hands on only
        the messages that came with it.
        """
        taken: list[Event] = []
        while self._events and len(taken) < self._share:
            if taken and self._events[0]["t"] in ("process", "cancel"):
                break
            event = self._events.popleft()
            self._count(event, -1)
            taken.append(event)
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
        self._events.clear()
        self._waiting = dict.fromkeys(MAX_WAITING, 0)
        self._bytes = 0
        for event in [start, *unread, *waiting]:
            self.add(event)

    def _count(self, event: Event, sign: int) -> None:
        if event["t"] in MAX_WAITING:
            self._waiting[event["t"]] += sign
        if event["t"] == "message":
            self._bytes += sign * _size(event)


def _size(message: Event) -> int:
    return len(message["topic"]) + sum(len(arg.data) for arg in message["args"])
