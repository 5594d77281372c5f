"""The virtual host: a workflow on mocked results and a virtual clock, with no server.

It carries out the same commands as the Temporal host, so a script, the kernel and its modules behave as they do there;
time passes only when everything waits for it. Every step is recorded, so that a run can be replayed and compared byte for byte.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import LIMIT_EXCEEDED, Error, canceled, invalid, not_deployed
from runtime.lua import protocol
from runtime.lua.program import Program
from runtime.lua.session import Session
from runtime.lua.shadow import ShadowSession
from runtime.payload import NOTHING, Payload
from runtime.principal import NOBODY, Principal
from runtime.process.pids import no_process
from runtime.registry.problems import did_you_mean

#: A mocked function or child: takes the arguments as Python values, returns a JSON value or raises `Error`.
Mock = Callable[..., Any]

_EPOCH = 1_700_000_000_000_000_000
#: Every run here is a new one, so it is on every patch.
_PATCHES = {"workflow.patched": lambda _: True, "workflow.deprecate_patch": lambda _: True}


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded step: what the kernel was given and what it answered."""

    events: Sequence[protocol.Event]
    clock: protocol.Clock
    batch: protocol.Batch


@dataclass(slots=True)
class _Waiting:
    """The commands that have no result yet, and the timers among them by time."""

    timers: list[tuple[int, int]] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)


class VirtualHost:
    """A host for one execution of `program`. It is synchronous and not thread-safe.

    `functions` and `children` map entry ids to mocks; an id that is in neither answers NOT_FOUND. `info` is what
    `workflow.info()` shows. With `shadow` each step runs in two interpreters, and `ShadowDiffers` is raised where their answers
    are not the same bytes. Time starts at `now` (nanoseconds) and moves only in `run` and `advance`.
    """

    def __init__(  # noqa: PLR0913 - what a test may say of a run, each by its name
        self,
        program: Program,
        *,
        functions: Mapping[str, Mock] | None = None,
        children: Mapping[str, Mock] | None = None,
        context: Mapping[str, Any] | None = None,
        info: Mapping[str, Any] | None = None,
        seed: int = 1,
        now: int = _EPOCH,
        kind: str = "workflow",
        pid: str = "{test:worker|virtual}",
        shadow: bool = False,
        principal: Principal = NOBODY,
    ) -> None:
        self._program = program
        self.principal = principal
        self._functions = dict(functions or {})
        self._children = dict(children or {})
        self._boot = {"class": kind, "pid": pid, "seed": seed, "ctx": dict(context or {}), "info": dict(info or {})}
        self._boot |= principal.boot()
        self._waiting = _Waiting()
        self._inbox: list[protocol.Event] = []
        self._versions: dict[str, int] = {}
        self._ended: set[str] = set()
        self._delayed: dict[int, protocol.Command] = {}
        self._kind = ShadowSession if shadow else Session
        self._session = self._open()
        self.now = now
        self.pid = pid
        self.steps: list[Step] = []
        self.commands: list[protocol.Command] = []
        self.final: protocol.Batch | None = None

    def _open(self) -> Session:
        return self._kind(self._program, self._boot, version=self._version, questions=_PATCHES)

    def _open_another(self) -> Session:
        """In an interpreter of its own, which is never the one that the program ran in."""
        return Session(self._program, self._boot, version=self._version, questions=_PATCHES, padded=True)

    def _version(self, change_id: str, minimum: int, maximum: int) -> int:
        version = self._versions.setdefault(change_id, maximum)
        if not minimum <= version <= maximum:
            text = f"version '{change_id}': this run is on {version}, outside {minimum}..{maximum}"
            raise invalid(text)
        return version

    # Driving ------------------------------------------------------------------------------------------------------------

    def start(self, *args: Any) -> None:
        """Runs main until everything waits; mocks answer at once, time stands still."""
        self._inbox.append(protocol.start([Payload.of(arg) for arg in args]))
        self._settle()

    def run(self, *args: Any) -> Any:
        """`start`, then lets time pass until the execution ends. Its result, or raises its `Error`.

        Raises `Error` INVALID when it waits for something that no timer will bring.
        """
        self.start(*args)
        return self.finish()

    def finish(self) -> Any:
        """Lets time pass until the execution ends; see `run`."""
        while self.final is None:
            if not self._next_timer():
                raise invalid("the execution waits for a message or an event")
        return self.outcome()

    def outcome(self) -> Any:
        """The result of an execution that has ended, as a Python value; raises its `Error`."""
        if self.final is None:
            raise invalid("the execution has not ended")
        if self.final.error is not None:
            raise self.final.error
        return (self.final.value or NOTHING).value()

    def send(self, topic: str, *args: Any, sender: str = "") -> None:
        payloads = [arg if isinstance(arg, Payload) else Payload.of(arg) for arg in args]
        self._inbox.append(protocol.message(topic, sender, payloads, self.now))
        self._settle()

    def cancel(self, reason: str = "") -> None:
        self._inbox.append(protocol.cancel(reason))
        self._settle()

    def feed(self, *events: protocol.Event) -> None:
        """Hands the kernel these events in one batch."""
        self._inbox.extend(events)
        self._settle()

    def advance(self, nanoseconds: int) -> None:
        """Moves the clock, firing the timers that come due, each at its own time."""
        until = self.now + nanoseconds
        while self.final is None and self._due(until):
            self._next_timer()
        self.now = max(self.now, until)

    def query(self, name: str, *args: Any) -> Any:
        return self._session.query(name, [Payload.of(arg) for arg in args]).value()

    def update(self, name: str, *args: Any) -> Any:
        """Validates, runs and awaits an update that needs no time to pass. Raises its `Error`."""
        payloads = [Payload.of(arg) for arg in args]
        self._session.validate(name, payloads)
        update_id = f"update-{len(self.steps)}"
        self.feed(protocol.update(update_id, name, payloads))
        for command in reversed(self.commands):
            if command.op == "update_done" and command.data["id"] == update_id:
                if "error" in command.data:
                    raise Error.from_wire(command.data["error"])
                value: Payload = command.data["value"]
                return value.value()
        raise invalid(f"update '{name}' still waits")

    def close(self) -> None:
        self._session.close()

    # Replaying ----------------------------------------------------------------------------------------------------------

    def replay(self, *, one_batch: bool = False) -> None:
        """Feeds the recorded events to a fresh interpreter. Raises AssertionError at the first difference.

        With `one_batch`, all events of equal time go in together, and only the whole of the commands is compared: how
        events fall into batches may not matter.
        """
        session = self._open_another()
        try:
            if one_batch:
                self._replay_batched(session)
                return
            for number, step in enumerate(self.steps):
                batch = session.step(step.events, step.clock)
                if _inexact(batch) and _inexact(step.batch):
                    return
                if (batch.state, batch.frame) != (step.batch.state, step.batch.frame):
                    raise AssertionError(f"step {number} differs: {batch.frame!r} instead of {step.batch.frame!r}")
        finally:
            session.close()

    def _replay_batched(self, session: Session) -> None:
        commands: list[protocol.Command] = []
        groups: list[tuple[protocol.Clock, list[protocol.Event]]] = []
        for step in self.steps:
            if groups and groups[-1][0] == step.clock:
                groups[-1][1].extend(step.events)
            else:
                groups.append((step.clock, list(step.events)))
        for clock, events in groups:
            commands += session.step(events, clock).commands
        if commands != self.commands:
            raise AssertionError(f"batched replay differs: {commands} instead of {self.commands}")

    # Carrying out -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        while self._inbox and self.final is None:
            events, self._inbox = self._inbox, []
            clock = protocol.Clock(now=self.now)
            batch = self._session.step(events, clock)
            self.steps.append(Step(events, clock, batch))
            self.commands += batch.commands
            if batch.state != "running":
                self.final = batch
            for command in batch.commands:
                self._carry_out(command)

    def _due(self, until: int) -> bool:
        """Whether a timer that is still wanted fires by the moment `until`."""
        timers = self._waiting.timers
        while timers and timers[0][1] in self._waiting.cancelled:
            heapq.heappop(timers)
        return bool(timers) and timers[0][0] <= until

    def _next_timer(self) -> bool:
        timers = self._waiting.timers
        while timers:
            at, seq = heapq.heappop(timers)
            if seq not in self._waiting.cancelled:
                self.now = max(self.now, at)
                if seq in self._delayed:
                    self._begin(seq)
                else:
                    self._inbox.append(protocol.result(seq, NOTHING))
                self._settle()
                return True
        return False

    def _carry_out(self, command: protocol.Command) -> None:
        if command.op == "timer":
            heapq.heappush(self._waiting.timers, (self.now + command.data["ns"], command.seq or 0))
        elif command.op == "cancel":
            self._waiting.cancelled.add(command.seq or 0)
            if command.seq in self._delayed:
                self._give_up(command.seq, "workflow canceled")
        elif command.seq is not None:
            if command.op in ("spawn", "exec") and self._start_delay(command):
                self._delay(command, command.seq)
            else:
                self._answer(command, command.seq)

    def _answer(self, command: protocol.Command, seq: int) -> None:
        try:
            value = self._value(command)
        except Error as error:
            self._inbox.append(protocol.failure(seq, error))
            return
        if command.op == "spawn":
            self._spawned(command, seq)
        else:
            self._inbox.append(protocol.result(seq, value if isinstance(value, Payload) else Payload.of(value)))

    def _value(self, command: protocol.Command) -> Any:
        if command.op == "call":
            return self._mocked(self._functions, command)
        if command.op in ("exec", "spawn"):
            self._check_child(command)
            return self._mocked(self._children, command) if command.op == "exec" else None
        if command.op in ("send", "terminate", "cancel_process"):
            self._reach(command, command.data["to"])
            return True
        if command.op == "attrs":
            return True
        raise invalid(f"the virtual host does not carry out '{command.op}'")

    def _check_child(self, command: protocol.Command) -> None:
        """Raises the `Error` that refuses a child before anything is started."""
        if command.data["id"] not in self._children:
            raise not_deployed("entry", command.data["id"], did_you_mean(command.data["id"], self._children))

    def _reach(self, command: protocol.Command, to: str) -> None:
        """What is done to another: whoever it is takes it, unless it is a child that has ended. Raises `Error` NOT_FOUND."""
        waiting = next((seq for seq, child in self._delayed.items() if child_pid(child) == to), None)
        if to in self._ended:
            raise no_process(to)
        if command.op == "cancel_process" and to == self.pid:
            self._inbox.append(protocol.cancel(command.data.get("reason") or "", to))
        elif waiting is not None and command.op == "send":
            messages = self._delayed[waiting].data.get("messages") or []
            self._delayed[waiting].data["messages"] = [*messages, {**command.data, "from": self.pid}]
            self._begin(waiting)
        elif waiting is not None:
            self._give_up(waiting, "workflow canceled" if command.op == "cancel_process" else "workflow terminated")

    def _mocked(self, mocks: Mapping[str, Mock], command: protocol.Command) -> Any:
        mock = mocks.get(command.data["id"])
        if mock is None:
            raise not_deployed("entry", command.data["id"], did_you_mean(command.data["id"], mocks))
        return mock(*(arg.value() for arg in command.args))

    def _spawned(self, command: protocol.Command, seq: int) -> None:
        pid = child_pid(command)
        self._inbox.append(protocol.result(seq, Payload.of(pid)))
        self._ended.add(pid)
        try:
            value = Payload.of(self._mocked(self._children, command))
            self._inbox += ends(command, self.now, value)
        except Error as error:
            self._inbox += ends(command, self.now, error)

    # Children that start later: their PID is known at once, and a message ends the wait.

    def _start_delay(self, command: protocol.Command) -> int:
        """In milliseconds; 0 for a child that starts at once."""
        return int(self._child_options(command).get("start_delay") or 0)

    def _child_options(self, command: protocol.Command) -> Mapping[str, Any]:
        options: Mapping[str, Any] = command.data.get("options") or {}
        return options

    def _delay(self, command: protocol.Command, seq: int) -> None:
        try:
            self._check_child(command)
            if self._child_options(command).get("parent_close_policy") == "abandon":
                text = 'options "workflow.start_delay" and "workflow.parent_close_policy" abandon exclude each other'
                raise invalid(text)
        except Error as error:
            self._inbox.append(protocol.failure(seq, error))
            return
        self._delayed[seq] = command
        heapq.heappush(self._waiting.timers, (self.now + self._start_delay(command) * 1_000_000, seq))
        if command.op == "spawn":
            self._inbox.append(protocol.result(seq, Payload.of(child_pid(command))))

    def _undelayed(self, seq: int) -> protocol.Command:
        self._waiting.timers = [timer for timer in self._waiting.timers if timer[1] != seq]
        heapq.heapify(self._waiting.timers)
        return self._delayed.pop(seq)

    def _begin(self, seq: int) -> None:
        command, before = self._undelayed(seq), len(self._inbox)
        self._answer(command, seq)
        if command.op == "spawn":
            del self._inbox[before]  # the PID, which is known

    def _give_up(self, seq: int, why: str) -> None:
        command, error = self._undelayed(seq), canceled(why)
        if command.op == "spawn":
            self._ended.add(child_pid(command))
            self._inbox += ends(command, self.now, error)
        else:
            self._inbox.append(protocol.failure(seq, error))


def child_pid(command: protocol.Command) -> str:
    return f"{{{command.data.get('host')}|{command.data.get('name') or f'child-{command.seq}'}}}"


def ends(command: protocol.Command, at: int, how: Payload | Error) -> list[protocol.Event]:
    """What a parent hears of the end of a spawned child."""
    pid = child_pid(command)
    if not isinstance(how, Error):
        return [protocol.process_exit(pid, at, value=how)]
    down = [protocol.process_exit(pid, at, error=how, kind=protocol.LINK_DOWN)] if command.data.get("link") else []
    return [*down, protocol.process_exit(pid, at, error=how)]


def _inexact(batch: protocol.Batch) -> bool:
    """Whether it ended for time or memory: where exactly is no property of the script."""
    error = batch.error
    if error is None or error.kind != LIMIT_EXCEEDED:
        return False
    return (error.details or {}).get("limit") in ("time", "memory")
