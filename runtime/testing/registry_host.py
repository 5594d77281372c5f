"""A virtual host whose functions and children are the registry's own, in a world of their own.

Functions run as on every host, as the activities of the run that calls them: on a process host, with retries and timeouts. The
clock is the world's. It stands still while anybody can do something, also while a function computes or waits for what is outside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from runtime import limits
from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.program import Program, Programs
from runtime.modules.calls import waits
from runtime.modules.options import workflow_options
from runtime.modules.security.module import ANSWERS
from runtime.modules.security.rules import refuse
from runtime.modules.stream.record import Published, Publisher
from runtime.payload import NOTHING, NULL, Payload
from runtime.principal import ANYBODY, Caller
from runtime.process.authorization import UPGRADE, check, of_pid
from runtime.process.host_port import LogPort, log_line
from runtime.process.pids import Pid, no_process
from runtime.process.task_queues import stored
from runtime.registry import Registry, RunnableLua, StartableWorkflow, WorkflowLua
from runtime.testing.calls import Calls, queue_named
from runtime.testing.children import Children, Outcome, VirtualChild, act
from runtime.testing.clock import VirtualClock, rfc3339
from runtime.testing.starts import PLACE, Start, child_of, judge
from runtime.testing.virtual import EPOCH, VirtualHost
from runtime.testing.world import StandIn, World


class RegistryHost(VirtualHost):
    """A virtual host that runs the workflow `entry_id` in a world. Under no `pid` it is the run called "virtual" of its worker.

    `first` is what it begins with, where another run starts it. Who closes the first run of a world closes the world.
    """

    def __init__(
        self, world: World, entry_id: str, *, caller: Caller = ANYBODY, pid: str = "", first: Sequence[Payload] = ()
    ) -> None:
        self.world, self.entry_id, self.first = world, entry_id, first
        self._registry, self._programs = world.registry, world.programs
        self._calls = Calls(world, self)
        self._updates: dict[str, Callable[[Outcome], None]] = {}
        self._published: dict[str, int] = {}
        self._sleeps: set[int] = set()
        self._sender, self._depth = caller.sender, caller.depth
        own = Pid.parse(pid) or Pid(self._worker() or PLACE, "virtual")
        self._id, self.place = own.id, own.place
        super().__init__(
            world.programs.get(entry_id),
            context=caller.context,
            info=self._info(),
            pid=str(own),
            principal=caller.principal,
        )
        self.clock = world.clock
        self.as_run: VirtualChild = HostedRun(self)
        world.add(self)

    def _words(self) -> Mapping[str, Any]:
        program = self._program
        called = program.calls if program.calls is not None else self._programs.calls
        return {"entry": program.entry, "worker": self.place, "waits": waits(called)}

    def _info(self) -> dict[str, Any]:
        about = {
            "workflow_id": self._id,
            "run_id": self._id,
            "workflow_type": self.entry_id,
            "task_queue": queue_named(self._registry, self.place),
            "namespace": "default",
            "attempt": 1,
            "start_time": rfc3339(self.world.now),
        }
        return {**about, "parent_pid": self._sender} if self._sender else about

    def _worker(self) -> str | None:
        entry = self._registry.get(self.entry_id)
        return entry.workflow.worker if isinstance(entry, WorkflowLua) else None

    @property
    def program(self) -> Program:
        return self._program

    @property
    def info(self) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._boot["info"]
        return info

    def caller(self, command: protocol.Command) -> Caller:
        """As whom, and in which context, it calls and starts others."""
        context = command.data.get("ctx") or self._boot["ctx"]
        return Caller(context, self.principal.changed_by(command.data), self.pid, self._depth)

    # Driving ------------------------------------------------------------------------------------------------------------

    def start(self, *args: Any) -> None:
        self.begin([Payload.of(arg) for arg in args])
        self._settle()

    def begin(self, args: Sequence[Payload], messages: Sequence[protocol.Event] = ()) -> None:
        """Its first events; an input that its entry does not take is its end."""
        entry = self._registry.get(self.entry_id)
        try:
            judge(entry if isinstance(entry, WorkflowLua) else None, args)
        except Error as error:
            self.fail(error)
        else:
            self.hear(protocol.start(args), *messages)

    def fail(self, error: Error) -> None:
        """Its end, from outside: it takes no further step."""
        if self.final is None:
            self.final = protocol.Batch("failed", error=error)
            self._over()

    def hear(self, *events: protocol.Event) -> None:
        if self.final is None:
            super().hear(*events)

    def advance(self, nanoseconds: int) -> None:
        until = self.now + nanoseconds
        while self.final is None and self.world.passes(until):
            pass
        self.now = max(self.now, until)

    def close(self) -> None:
        if self.world.hosts[0] is self:
            self.world.close()
        else:
            self.free()

    # What the world needs of a run of it.

    @property
    def is_over(self) -> bool:
        return self.final is not None

    @property
    def taken(self) -> int:
        return len(self.steps)

    @property
    def has_events(self) -> bool:
        return bool(self._inbox) and self.final is None

    @property
    def next_at(self) -> int | None:
        return self._timers.next_at if self.final is None else None

    def take_steps(self) -> None:
        super()._settle()

    def fire(self) -> None:
        self._timers.fire()

    def free(self) -> None:
        """Lets go of its interpreter."""
        super().close()

    def ask(self, name: str, args: Sequence[Payload]) -> Payload:
        """The answer of a query."""
        return self._session.query(name, args)

    def begin_update(self, name: str, args: Sequence[Payload], told: Callable[[Outcome], None]) -> None:
        """`told` hears of its outcome. Raises the `Error` of what refuses it."""
        self._session.validate(name, args)
        id = f"update-{len(self.steps)}-{len(self._updates)}"
        self._updates[id] = told
        self.hear(protocol.update(id, name, args))

    # Carrying out -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self.world.is_settling:
            self.take_steps()
        else:
            self.world.settle()

    def _next_timer(self) -> bool:
        return self.world.passes()

    def _over(self) -> None:
        super()._over()
        self._calls.close()
        assert self.final is not None
        try:
            if self.final.state == "continue":
                self._become(self.final.continuation or {})
                return
            self._check_size(f"the result of {self.entry_id}", [self.final.value or NOTHING])
        except Error as error:
            self.final = protocol.Batch("failed", error=error)
        self.as_run.ends(self.final.error or self.final.value or NOTHING)

    def _become(self, continuation: Mapping[str, Any]) -> None:
        """The next run of the chain, in this one's place."""
        entry_id = str(continuation.get("id") or self.entry_id)
        self._check_size("arguments of the continued run", continuation.get("args") or [])
        if entry_id != self.entry_id:
            refuse(self._registry, self.principal, UPGRADE, entry_id)
        self._session.close()
        self.entry_id, self._program = entry_id, self._programs.get(entry_id)
        self._timers.clear()
        self._sleeps.clear()
        self._children = Children(self)
        self._calls = Calls(self.world, self)
        self._boot |= {"ctx": continuation.get("ctx") or {}, "info": self._info(), **self._words()}
        self.steps, self.commands, self._inbox, self.final = [], [], [], None
        self._session = self._open()
        self.hear(protocol.start(continuation.get("args") or []), *protocol.unread(continuation))

    def _carry_out(self, command: protocol.Command) -> None:
        if command.op == "log":
            self._write(command)
        elif command.op == "publish":
            self._publish(str(command.data["name"]), command.data["value"])
        elif command.op == "update_done" and command.data["id"] in self._updates:
            told = self._updates.pop(command.data["id"])
            told(self._update_outcome(command))
        elif command.op == "timer" and command.seq is not None:
            self._sleep(command.data["ns"], command.seq)
        else:
            super()._carry_out(command)

    def _sleep(self, nanoseconds: int, seq: int) -> None:
        try:
            self._make_room("timers", len(self._sleeps))
        except Error as error:
            self.hear(protocol.failure(seq, error))
            return
        self._sleeps.add(seq)
        self.later(nanoseconds, seq, partial(self._wake, seq))

    def _wake(self, seq: int) -> None:
        self._sleeps.discard(seq)
        self.hear(protocol.result(seq, NOTHING))

    def _make_room(self, what: str, count: int) -> None:
        """Raises `Error` for one more of them than a run of this entry, or of any, may have under way."""
        entry = self._registry.get(self.entry_id)
        most: int | None = getattr(entry.limits, what) if isinstance(entry, WorkflowLua) else None
        if most is not None and count >= most:
            raise limits.reached(what, most, self.entry_id)
        if what != "timers" and count >= limits.MAX_PENDING:
            raise limits.too_many(what)

    def _publish(self, name: str, value: Payload) -> None:
        place = self._published[name] = self._published.get(name, 0) + 1
        data = b"null" if value.encoding == NULL else value.data
        publisher = Publisher(self._id, entry=self.entry_id)
        event = Published(publisher, name, data, place, True, self.now // 1_000_000)
        self.world.begin(self.world.publish(self._id, event))

    def _update_outcome(self, command: protocol.Command) -> Outcome:
        if "error" in command.data:
            return Error.from_wire(command.data["error"])
        try:
            self._check_size("the result of an update", [command.data["value"]])
        except Error as error:
            return error
        value: Payload = command.data["value"]
        return value

    def _check_size(self, what: str, values: Sequence[Payload]) -> None:
        """Raises `Error` INVALID for values that a server would refuse."""
        limits.check_size(what, values, stored(self._registry, self.place))

    def _write(self, command: protocol.Command) -> None:
        data = command.data
        about = {"pid": self.pid, "entry": self.entry_id, "at": command.at, "fields": data.get("fields") or {}}
        if data.get("logger"):
            about["logger"] = data["logger"]
        self.world.log(str(data.get("level") or "info"), str(data.get("message") or ""), about)

    def _give_up(self, seq: int) -> None:
        super()._give_up(seq)
        self._sleeps.discard(seq)
        self._calls.give_up(seq)

    def _answer(self, command: protocol.Command, seq: int) -> None:
        try:
            check(self._registry, self.principal, command, of_pid)
            if command.op == "call":
                self._make_room("activities", self._calls.under_way)
                self._calls.begin(command, seq)
                return
            if command.op in ("exec", "spawn"):
                self._make_room("children", self._children.under_way)
        except Error as error:
            self.hear(protocol.failure(seq, error))
            return
        super()._answer(command, seq)

    def _value(self, command: protocol.Command) -> Any:
        if command.op.startswith("security."):
            return ANSWERS[command.op](self._registry, self.principal, command.data)
        return super()._value(command)

    def _reach(self, command: protocol.Command) -> None:
        to = command.data["to"]
        if command.op == "send":
            self._check_size(f'message "{command.data["topic"]}"', command.args)
        if to == self.pid or self._children.reach(command):
            return super()._reach(command) if to == self.pid else None
        target = self.world.find(to)
        if target is not None and target.outcome is None:
            act(target, command, self.pid, self.now)
            return None
        return self._reach_process(command, to)

    def _reach_process(self, command: protocol.Command, to: str) -> None:
        pid = Pid.parse(to)
        if pid is None or pid.node is None:
            raise no_process(to)
        functions, reason = self.world.functions, command.data.get("reason") or ""
        if command.op == "send":
            functions.send(to, command.data["topic"], command.args, self.pid)
        elif command.op == "cancel_process":
            functions.cancel(to, reason, self.pid)
        else:
            functions.terminate(to, reason)

    def child(self, command: protocol.Command) -> VirtualChild:
        options, starter = self.child_options(command), self.caller(command).deeper()
        entry = self._registry.get(self.entry_id)
        if isinstance(entry, RunnableLua):
            limits.check_depth(starter.depth, entry.limits.depth, entry.id)
        start = Start(
            str(command.data["id"]),
            command.args,
            starter,
            options,
            options.get("id") or command.data.get("name"),
            command.data.get("host"),
            self.place,
        )
        return child_of(self.world, start)

    def child_options(self, command: protocol.Command) -> Mapping[str, Any]:
        entry = self._registry.get(command.data["id"])
        own = workflow_options(entry.options) if isinstance(entry, StartableWorkflow) else {}
        return {**own, **super().child_options(command)}


def run_of(world: World, start: Start, pid: str) -> VirtualChild:
    """A run of an entry in a world, not begun."""
    entry = world.registry.find_workflow(start.entry)
    assert entry is not None
    return RegistryHost(world, entry.id, caller=start.caller, pid=pid, first=start.args).as_run


def new_world(
    registry: Registry,
    programs: Programs,
    *,
    given: Mapping[str, StandIn] | None = None,
    mocked: Collection[str] = (),
    log: LogPort = log_line,
) -> World:
    """A world without anybody in it. Its clock begins at the same moment each time."""
    return World(registry, programs, clock=VirtualClock(EPOCH), log=log, given=given or {}, mocked=mocked, make=run_of)


class HostedRun(VirtualChild):
    """The run of a host, as others know it."""

    def __init__(self, host: RegistryHost) -> None:
        super().__init__(host.pid)
        self._host = host

    def begin(self, messages: Sequence[protocol.Event]) -> None:
        self._host.begin(self._host.first, messages)

    def post(self, event: protocol.Event) -> None:
        self._host.hear(event)

    def ends(self, outcome: Outcome) -> None:
        super().ends(outcome)
        if isinstance(outcome, Error):
            self._host.fail(outcome)
