"""The world of a run under test: its clock, the runs in it, and the process host that has their functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import cached_property, partial
from random import Random
from typing import Any, Protocol
from uuid import UUID

from runtime.contracts import RunEvent, StartRequest
from runtime.errors import Error, invalid
from runtime.lua import protocol
from runtime.lua.program import Programs
from runtime.modules.stream.queue import PublishTarget
from runtime.modules.stream.record import Published
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.host_port import LogPort
from runtime.process.pids import Pid
from runtime.registry import Registry
from runtime.testing.attempts import Scheduled, VirtualActivity
from runtime.testing.children import Outcome, VirtualChild
from runtime.testing.clock import VirtualClock, VirtualLoop
from runtime.testing.functions import VirtualProcessHost
from runtime.testing.starts import AskedCall, Start, child_of
from runtime.testing.workflows import Answering, VirtualWorkflows

#: Answers in place of an entry: called with the host of the run that the test drives, and the arguments as Python values.
StandIn = Callable[..., Any]

_FOR_EVER = 1 << 63
_ALL = 1 << 31
#: How often everybody may have something to do at one moment, before that is taken for something that never ends.
_MOST_ROUNDS = 100_000


class RunHost(Answering, Protocol):
    """The host of one run, as its world needs it."""

    as_run: VirtualChild

    @property
    def taken(self) -> int:
        """How many steps it has taken."""
        ...

    @property
    def has_events(self) -> bool: ...
    @property
    def next_at(self) -> int | None:
        """When something happens in it by itself; None when nothing does."""
        ...

    def take_steps(self) -> None:
        """Takes the steps that wait."""
        ...

    def fire(self) -> None:
        """Does what is due next."""
        ...

    def free(self) -> None: ...


#: Makes the run of an entry under a PID; it has not begun.
Make = Callable[["World", Start, str], VirtualChild]


class World:
    """What a run under test lives in. It is driven from one thread, by the hosts of its runs.

    Calls of `given` ids are answered by functions; those of `mocked` ones are put into `asked`. Everything else runs.
    """

    def __init__(
        self,
        registry: Registry,
        programs: Programs,
        *,
        clock: VirtualClock,
        log: LogPort,
        given: Mapping[str, StandIn],
        mocked: Collection[str] = (),
        make: Make,
    ) -> None:
        self.registry, self.programs = registry, programs
        self.clock, self.log = clock, log
        self.given, self.mocked = given, frozenset(mocked)
        self._make = make
        self.asked: list[AskedCall] = []
        self.hosts: list[RunHost] = []
        self.runs: dict[str, VirtualChild] = {}
        self._is_settling = False
        self._random = Random(1)
        self._loop: VirtualLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.activities: list[VirtualActivity] = []

    @cached_property
    def loop(self) -> VirtualLoop:
        self._loop = VirtualLoop(self.clock)
        return self._loop

    @cached_property
    def functions(self) -> VirtualProcessHost:
        return VirtualProcessHost(
            self.registry,
            self.programs,
            workflows=VirtualWorkflows(self),
            log=self.log,
            clock=self.clock,
            loop=self.loop,
            stand_in=self.stand_in,
        )

    @property
    def now(self) -> int:
        return self.clock.now

    @property
    def is_settling(self) -> bool:
        return self._is_settling

    @property
    def steps(self) -> int:
        """How many steps its runs have taken."""
        return sum(host.taken for host in self.hosts)

    def schedule(self, scheduled: Scheduled) -> VirtualActivity:
        """An activity that begins when its outcome is waited for."""
        activity = VirtualActivity(self.functions, scheduled, self.clock, self.loop)
        self.activities.append(activity)
        return activity

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it on the loop, while this world lives."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def publish(self, run: str, event: Published) -> None:
        """What a run publishes; what its functions do is there, too."""
        await self.functions.streams.add(PublishTarget(run, run, chain=run), [event])

    def published(self, run: str) -> list[RunEvent]:
        """What has been published to a run."""
        return self.functions.published.events(run, limit=_ALL) if self._loop is not None else []

    @property
    def endless(self) -> list[VirtualActivity]:
        """Those that failed so often that they are not tried again."""
        return [activity for activity in self.activities if activity.is_endless]

    def made(self, start: Start, pid: str) -> VirtualChild:
        return self._make(self, start, pid)

    def new_id(self) -> str:
        """Another one each time, and the same ones in every world."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def add(self, host: RunHost) -> None:
        self.hosts.append(host)
        self.remember(host.as_run)

    def remember(self, run: VirtualChild) -> None:
        pid = Pid.parse(run.pid)
        if pid is not None:
            self.runs[pid.id] = run

    def named(self, id: str) -> VirtualChild | None:
        """The run of an id, also one that has ended."""
        return self.runs.get(id)

    def find(self, pid: str) -> VirtualChild | None:
        parsed = Pid.parse(pid)
        return self.named(parsed.id) if parsed is not None and parsed.node is None else None

    @property
    def asks(self) -> bool:
        """Whether the test has to answer before time may pass."""
        self.asked = [asked for asked in self.asked if asked.is_wanted()]
        return bool(self.asked)

    def ask(self, asked: AskedCall) -> None:
        self.asked.append(asked)

    def settle(self) -> None:
        """Has everybody do what can be done at this moment."""
        if self._is_settling:
            return
        self._is_settling = True
        try:
            for _ in range(_MOST_ROUNDS):
                for host in list(self.hosts):
                    host.take_steps()
                if self._loop is not None:
                    self._loop.drive(self.clock.now)
                if not any(host.has_events for host in self.hosts):
                    return
            raise invalid("the run goes on and on at one moment: nothing in it waits for time to pass")
        finally:
            self._is_settling = False

    def passes(self, until: int | None = None) -> bool:
        """Lets time pass to the next moment at which something happens, no further than `until`. Whether there is one."""
        timed = [(at, host) for host in self.hosts if (at := host.next_at) is not None]
        at, host = min(timed, key=lambda item: item[0], default=(None, None))
        due = [moment for moment in (at, self._loop.due if self._loop is not None else None) if moment is not None]
        if not due or (until is not None and min(due) > until):
            return False
        self.clock.now = max(self.clock.now, min(due))
        if host is not None and at is not None and at <= self.clock.now:
            host.fire()
        self.settle()
        return True

    def start(self, request: StartRequest) -> tuple[VirtualChild, bool]:
        """Of functions. Raises the `Error` that refuses it."""
        name = request.options.get("id") or request.id
        start = Start(request.entry, request.args, request.caller, request.options, name, request.worker)
        before = self.named(name) if name else None
        child = child_of(self, start)
        child.begin([protocol.message(m.topic, request.caller.sender, m.args, self.now) for m in request.messages])
        return child, before is None or before.outcome is not None

    def answering(self, child: VirtualChild) -> Answering | None:
        return next((host for host in self.hosts if host.as_run.pid == child.pid and host.as_run.outcome is None), None)

    def close(self) -> None:
        for host in self.hosts:
            host.free()
        if self._loop is not None:
            self._end(self._loop)
            self._loop.close()

    def _end(self, loop: VirtualLoop) -> None:
        """Nothing goes on that is still under way."""
        for task in self._tasks:
            task.cancel()
        closing = loop.create_task(self.functions.close(0))
        closing.add_done_callback(lambda _: loop.stop())
        loop.drive(_FOR_EVER)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.drive(self.clock.now)

    def stand_in(self, entry_id: str, args: Sequence[Payload], caller: Caller) -> asyncio.Future[Payload] | None:
        """For functions: what stands in for an entry that one of them calls."""
        if entry_id in self.given:
            answer: asyncio.Future[Payload] = self.loop.create_future()
            try:
                answer.set_result(self.stands_in(entry_id, args))
            except Error as error:
                answer.set_exception(error)
            return answer
        if entry_id in self.mocked:
            answer = self.loop.create_future()
            self.ask(AskedCall(entry_id, args, partial(_settle, answer), lambda: not answer.done()))
            return answer
        return None

    def stands_in(self, entry_id: str, args: Sequence[Payload], host: object = None) -> Payload:
        """What a function of the test gives in place of an entry, for the run that is driven or for another `host`. Raises its `Error`."""
        value = self.given[entry_id](host or self.hosts[0], *(arg.value() for arg in args))
        return value if isinstance(value, Payload) else Payload.of(value)


def _settle(answer: asyncio.Future[Payload], outcome: Outcome) -> None:
    if answer.done():
        return
    if isinstance(outcome, Error):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
