"""The children of a run on a virtual host: how they are started and delayed, reached and given up, and how their parent hears of their ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from runtime.errors import TIMEOUT, Error, canceled, invalid
from runtime.lua import protocol
from runtime.payload import Payload
from runtime.process.pids import Pid, no_process

#: How something ended: its value, or its failure.
Outcome = Payload | Error

_MILLISECOND = 1_000_000
#: Options that limit how long a child runs.
_LIMITS = ("execution_timeout", "run_timeout")
CANCELED, TERMINATED = "workflow canceled", "workflow terminated"


class VirtualChild:
    """A run that another one started. It is made before it begins, so that its PID is known. One that is not `is_own` does not end with it."""

    is_own = True

    def __init__(self, pid: str) -> None:
        self.pid = pid
        self.outcome: Outcome | None = None
        self._told: list[Callable[[Outcome], None]] = []

    def begin(self, messages: Sequence[protocol.Event]) -> None:
        """`messages` are those that it finds. It may end before this returns."""

    def post(self, event: protocol.Event) -> None:
        """A message, or a cancellation."""

    def ends(self, outcome: Outcome) -> None:
        """It has ended, or is ended. Only the first end counts."""
        if self.outcome is None:
            self.outcome = outcome
            told, self._told = self._told, []
            for listener in told:
                listener(outcome)

    def when_ended(self, told: Callable[[Outcome], None]) -> None:
        """Calls `told` with how it ended; at once, where it has."""
        if self.outcome is not None:
            told(self.outcome)
        else:
            self._told.append(told)


class MockChild(VirtualChild):
    """A child whose value, or failure, a function gives."""

    def __init__(self, pid: str, value: Callable[[], Payload]) -> None:
        super().__init__(pid)
        self._value = value

    def begin(self, messages: Sequence[protocol.Event]) -> None:
        try:
            self.ends(self._value())
        except Error as error:
            self.ends(error)


class Parent(Protocol):
    """The run whose children they are, as `Children` needs it."""

    pid: str
    now: int

    def child(self, command: protocol.Command) -> VirtualChild: ...
    def child_options(self, command: protocol.Command) -> Mapping[str, Any]: ...
    def later(self, nanoseconds: int, key: int, action: Callable[[], None]) -> None: ...
    def no_later(self, key: int) -> None: ...
    def hear(self, *events: protocol.Event) -> None: ...


@dataclass(slots=True)
class _Kept:
    command: protocol.Command
    child: VirtualChild
    seq: int
    has_begun: bool = False


class Children:
    """The children of one run, in the order of their commands."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._kept: dict[int, _Kept] = {}

    def start(self, command: protocol.Command, seq: int) -> None:
        """Of a spawned one the parent hears its PID at once, and of any its end. Raises the `Error` that refuses it."""
        options = self._parent.child_options(command)
        delay = int(options.get("start_delay") or 0)
        if delay and options.get("parent_close_policy") == "abandon":
            text = 'options "workflow.start_delay" and "workflow.parent_close_policy" abandon exclude each other'
            raise invalid(text)
        kept = self._kept[seq] = _Kept(command, self._parent.child(command), seq)
        if command.op == "spawn":
            self._parent.hear(protocol.result(seq, Payload.of(kept.child.pid)))
        kept.child.when_ended(partial(self._ended, kept))
        limit = min((options[name] for name in _LIMITS if options.get(name)), default=None)
        if limit is not None:
            self._parent.later((delay + limit) * _MILLISECOND, -seq, partial(kept.child.ends, _timed_out()))
        if delay:
            self._parent.later(delay * _MILLISECOND, seq, partial(self._begin, kept))
        else:
            self._begin(kept)

    @property
    def under_way(self) -> int:
        """How many have begun and not ended."""
        return sum(1 for kept in self._kept.values() if kept.has_begun and kept.child.outcome is None)

    def give_up(self, seq: int | None) -> None:
        """What nobody waits for any more: it is asked to end, or never starts."""
        if seq in self._kept:
            self._cancel(self._kept[seq], protocol.cancel())

    def reach(self, command: protocol.Command) -> bool:
        """Carries out what is done to a child; False when its destination is none. Raises `Error` NOT_FOUND for one that has ended."""
        to = command.data["to"]
        kept = next((kept for kept in reversed(self._kept.values()) if kept.child.pid == to), None)
        if kept is None:
            return False
        if kept.child.outcome is not None:
            raise no_process(to)
        if command.op == "send" and not kept.has_begun:
            messages = kept.command.data.get("messages") or []
            kept.command.data["messages"] = [*messages, command.data]
            self._begin(kept)
        elif command.op == "cancel_process":
            self._cancel(kept, protocol.cancel(command.data.get("reason") or "", self._parent.pid))
        else:
            act(kept.child, command, self._parent.pid, self._parent.now)
        return True

    def close(self) -> None:
        """Their parent has ended: each ends with it, unless it was started to be let alone, or to be asked."""
        for kept in list(self._kept.values()):
            policy = self._parent.child_options(kept.command).get("parent_close_policy", "terminate")
            if policy == "request_cancel":
                self._cancel(kept, protocol.cancel())
            elif policy == "terminate" and kept.child.is_own:
                kept.child.ends(canceled(TERMINATED))

    def _begin(self, kept: _Kept) -> None:
        kept.has_begun = True
        self._parent.no_later(kept.seq)
        kept.child.begin(
            [
                protocol.message(item["topic"], self._parent.pid, item.get("args") or [], self._parent.now)
                for item in kept.command.data.get("messages") or ()
            ]
        )

    def _cancel(self, kept: _Kept, event: protocol.Event) -> None:
        if kept.has_begun:
            kept.child.post(event)
        else:
            kept.child.ends(canceled(CANCELED))

    def _ended(self, kept: _Kept, outcome: Outcome) -> None:
        self._parent.no_later(kept.seq)
        self._parent.no_later(-kept.seq)
        parent, pid = self._parent, kept.child.pid
        if isinstance(outcome, Error):
            outcome = failed(outcome, pid)
        if kept.command.op == "exec":
            parent.hear(settled(kept.seq, outcome))
        elif isinstance(outcome, Error):
            if kept.command.data.get("link"):
                parent.hear(protocol.process_exit(pid, parent.now, error=outcome, kind=protocol.LINK_DOWN))
            parent.hear(protocol.process_exit(pid, parent.now, error=outcome))
        else:
            parent.hear(protocol.process_exit(pid, parent.now, value=outcome))


def _timed_out() -> Error:
    return Error(TIMEOUT, "workflow timed out", details={"timeout_type": "StartToClose"})


def failed(error: Error, pid: str) -> Error:
    """The failure of a child as its parent hears of it: what is known of the run is among the details."""
    told, run = Error.from_wire(error.to_wire()), Pid.parse(pid)
    if run is not None:
        told.details = {**(told.details or {}), "_workflow_id": run.id, "_run_id": run.id}
    return told


def act(target: VirtualChild, command: protocol.Command, sender: str, now: int) -> None:
    """Does to a run what the commands `send`, `cancel_process` and `terminate` ask."""
    if command.op == "send":
        target.post(protocol.message(command.data["topic"], sender, command.args, now))
    elif command.op == "cancel_process":
        target.post(protocol.cancel(command.data.get("reason") or "", sender))
    else:
        target.ends(canceled(TERMINATED))


def settled(seq: int, outcome: Outcome) -> protocol.Event:
    """The result of a command."""
    return protocol.failure(seq, outcome) if isinstance(outcome, Error) else protocol.result(seq, outcome)
