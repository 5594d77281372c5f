"""The virtual host: a workflow on mocked results and a virtual clock, with no server.

It carries out the same commands as the Temporal host, so a script, the kernel and its modules behave as they do there;
time passes only when everything waits for it. Every step is recorded, so that a run can be replayed and compared byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtime.errors import LIMIT_EXCEEDED, Error, invalid, not_deployed
from runtime.lua import protocol
from runtime.lua.program import Program
from runtime.lua.session import Session
from runtime.lua.shadow import ShadowSession
from runtime.payload import NOTHING, Payload
from runtime.principal import NOBODY, Principal
from runtime.registry.problems import did_you_mean
from runtime.testing.children import Children, MockChild, VirtualChild, act
from runtime.testing.clock import Timers, VirtualClock

#: A mocked function or child: takes the arguments as Python values, returns a JSON value or raises `Error`.
Mock = Callable[..., Any]

EPOCH = 1_700_000_000_000_000_000
#: Every run here is a new one, so it is on every patch.
_PATCHES = {"workflow.patched": lambda _: True, "workflow.deprecate_patch": lambda _: True}


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded step: what the kernel was given and what it answered."""

    events: Sequence[protocol.Event]
    clock: protocol.Clock
    batch: protocol.Batch


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
        now: int = EPOCH,
        kind: str = "workflow",
        pid: str = "{test:worker|virtual}",
        shadow: bool = False,
        principal: Principal = NOBODY,
    ) -> None:
        self._program = program
        self.principal = principal
        self._functions = dict(functions or {})
        self._mocks = dict(children or {})
        self._boot: dict[str, Any] = {
            "class": kind,
            "pid": pid,
            "seed": seed,
            "ctx": dict(context or {}),
            "info": dict(info or {}),
        }
        self._boot |= principal.boot() | dict(self._words())
        self._timers = Timers()
        self._inbox: list[protocol.Event] = []
        self._versions: dict[str, int] = {}
        self._children = Children(self)
        self._kind = ShadowSession if shadow else Session
        self._session = self._open()
        self.clock = VirtualClock(now)
        self.pid = pid
        self.steps: list[Step] = []
        self.commands: list[protocol.Command] = []
        self.final: protocol.Batch | None = None

    def _words(self) -> Mapping[str, Any]:
        """What else the kernel is told before it begins."""
        return {}

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

    @property
    def now(self) -> int:
        return self.clock.now

    @now.setter
    def now(self, moment: int) -> None:
        self.clock.now = moment

    def _settle(self) -> None:
        while self._inbox and self.final is None:
            self._step()

    def _step(self) -> None:
        events, self._inbox = self._inbox, []
        clock = protocol.Clock(now=self.now)
        batch = self._session.step(events, clock)
        self.steps.append(Step(events, clock, batch))
        self.commands += batch.commands
        if batch.state != "running":
            self.final = batch
        for command in batch.commands:
            self._carry_out(command)
        if self.final is not None:
            self._over()

    def _over(self) -> None:
        """The last step has been taken."""
        self._children.close()

    def _due(self, until: int) -> bool:
        """Whether a timer that is still wanted fires by the moment `until`."""
        at = self._timers.next_at
        return at is not None and at <= until

    def _next_timer(self) -> bool:
        at = self._timers.next_at
        if at is None:
            return False
        self.now = max(self.now, at)
        self._timers.fire()
        self._settle()
        return True

    def _carry_out(self, command: protocol.Command) -> None:
        seq = command.seq
        if command.op == "timer" and seq is not None:
            self.later(command.data["ns"], seq, partial(self.hear, protocol.result(seq, NOTHING)))
        elif command.op == "cancel" and seq is not None:
            self._give_up(seq)
        elif seq is not None:
            self._answer(command, seq)

    def _give_up(self, seq: int) -> None:
        """Nobody waits for the result of that command any more, or only for the word that it is over."""
        self._timers.cancel(seq)
        self._children.give_up(seq)

    def _answer(self, command: protocol.Command, seq: int) -> None:
        try:
            if command.op in ("exec", "spawn"):
                self._children.start(command, seq)
                return
            value = self._value(command)
        except Error as error:
            self.hear(protocol.failure(seq, error))
            return
        self.hear(protocol.result(seq, value if isinstance(value, Payload) else Payload.of(value)))

    def _value(self, command: protocol.Command) -> Any:
        if command.op == "call":
            return mocked(self._functions, command)
        if command.op in ("send", "terminate", "cancel_process"):
            self._reach(command)
            return True
        if command.op == "attrs":
            return True
        raise invalid(f"the virtual host does not carry out '{command.op}'")

    def _reach(self, command: protocol.Command) -> None:
        """What is done to another: whoever it is takes it, unless it is a child that has ended. Raises `Error` NOT_FOUND."""
        if command.data["to"] == self.pid:
            act(_Itself(self), command, self.pid, self.now)
        else:
            self._children.reach(command)

    # What children need of their parent.

    def hear(self, *events: protocol.Event) -> None:
        """Puts events into the inbox, for the next step."""
        self._inbox.extend(events)

    def later(self, nanoseconds: int, key: int, action: Callable[[], None]) -> None:
        self._timers.add(self.now + nanoseconds, key, action)

    def no_later(self, key: int) -> None:
        self._timers.cancel(key)

    def child(self, command: protocol.Command) -> VirtualChild:
        """What `exec` and `spawn` start, not begun yet. Raises the `Error` that refuses it."""
        if command.data["id"] not in self._mocks:
            raise not_deployed("entry", command.data["id"], did_you_mean(command.data["id"], self._mocks))
        return MockChild(child_pid(command), lambda: Payload.of(mocked(self._mocks, command)))

    def child_options(self, command: protocol.Command) -> Mapping[str, Any]:
        options: Mapping[str, Any] = command.data.get("options") or {}
        return options


class _Itself(VirtualChild):
    """A run as the destination of its own messages."""

    def __init__(self, host: VirtualHost) -> None:
        super().__init__(host.pid)
        self._host = host

    def post(self, event: protocol.Event) -> None:
        self._host.hear(event)


def mocked(mocks: Mapping[str, Mock], command: protocol.Command) -> Any:
    """What the mock of the called entry gives. Raises its `Error`, or NOT_FOUND."""
    mock = mocks.get(command.data["id"])
    if mock is None:
        raise not_deployed("entry", command.data["id"], did_you_mean(command.data["id"], mocks))
    return mock(*(arg.value() for arg in command.args))


def child_pid(command: protocol.Command) -> str:
    return f"{{{command.data.get('host')}|{command.data.get('name') or f'child-{command.seq}'}}}"


def _inexact(batch: protocol.Batch) -> bool:
    """Whether it ended for time or memory: where exactly is no property of the script."""
    error = batch.error
    if error is None or error.kind != LIMIT_EXCEEDED:
        return False
    return (error.details or {}).get("limit") in ("time", "memory")
