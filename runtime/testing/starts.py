"""The start of a run in a virtual world: who answers for it, under which id, and what becomes of the run that has the id already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from runtime import limits
from runtime.errors import Error, already_exists, canceled, not_deployed, unavailable
from runtime.lua import protocol
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.pids import Pid
from runtime.process.task_queues import check_host, stored, worker_of
from runtime.registry import Entry, Foreign, Registry, StartableWorkflow, TemporalWorkflow, inputs
from runtime.registry.foreign import unfit_result
from runtime.registry.problems import did_you_mean
from runtime.testing.children import CANCELED, TERMINATED, MockChild, Outcome, VirtualChild

#: Where runs are that no worker of the registry is named for.
PLACE = "test:worker"


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call that the test has to answer. `reply` takes its outcome; nobody wants that any more when not `is_wanted`."""

    id: str
    args: Sequence[Payload]
    reply: Callable[[Outcome], None]
    is_wanted: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Start:
    """A run as somebody asks for it. `name` is the id it is to have; `place` where it is when nobody says; `options` are normalised."""

    entry: str
    args: Sequence[Payload]
    caller: Caller
    options: Mapping[str, Any]
    name: str | None = None
    host: str | None = None
    place: str = PLACE


class StartWorld(Protocol):
    """The world that it is started in."""

    @property
    def registry(self) -> Registry: ...
    @property
    def given(self) -> Collection[str]: ...
    @property
    def mocked(self) -> Collection[str]: ...
    def find(self, pid: str) -> VirtualChild | None: ...
    def remember(self, run: VirtualChild) -> None: ...
    def new_id(self) -> str: ...
    def made(self, start: Start, pid: str) -> VirtualChild:
        """A run of an entry under a PID; it has not begun."""
        ...

    def ask(self, asked: AskedCall) -> None: ...
    def stands_in(self, entry_id: str, args: Sequence[Payload]) -> Payload: ...


def judge(entry: StartableWorkflow | None, args: Sequence[Payload]) -> None:
    """Raises `Error` INVALID for an input that a workflow does not take."""
    if entry is not None and entry.input_schema is not None:
        inputs.check_args(entry.id, entry.input_schema, args)


def held(entry: Entry | None, outcome: Outcome) -> Outcome:
    """What the test answers in the place of something elsewhere: its value, or the error that its entry's schema does not take it."""
    if isinstance(entry, Foreign) and isinstance(outcome, Payload):
        return unfit_result(entry, outcome) or outcome
    return outcome


def elsewhere(entry: Foreign) -> str:
    """Why it cannot be begun here."""
    return f"{entry.id} runs elsewhere, as {entry.type}: give the test a mock of it"


def child_of(world: StartWorld, start: Start) -> VirtualChild:
    """What `start` gives: a run of the entry, what the test answers in its place, or the run that has its id. It has not begun.

    Raises the `Error` that refuses it.
    """
    entry = world.registry.find_startable(start.entry)
    limits.check_size(f"arguments of {start.entry}", start.args, stored(world.registry, start.place))
    judge(entry, start.args)
    stands_in = start.entry in world.given or start.entry in world.mocked
    if entry is None and not stands_in:
        known = [item.id for item in world.registry.entries.values() if isinstance(item, StartableWorkflow)]
        raise not_deployed("workflow", start.entry, did_you_mean(start.entry, known))
    if isinstance(entry, TemporalWorkflow) and not stands_in:
        raise unavailable(elsewhere(entry), id=entry.id)
    if start.host:
        check_host(world.registry, start.entry, start.host)
    pid = _pid(world, entry, start)
    taken = _taken(world, pid, start)
    if taken is not None:
        return taken
    child: VirtualChild
    if start.entry in world.given:
        child = MockChild(pid, partial(world.stands_in, start.entry, start.args))
    elif stands_in:
        child = _AskedChild(pid, world, start, entry)
    else:
        child = world.made(start, pid)
    world.remember(child)
    return child


def _pid(world: StartWorld, entry: StartableWorkflow | None, start: Start) -> str:
    worker = start.host or _worker(entry)
    place = worker_of(world.registry, worker) if worker else start.place
    name = start.entry.rpartition(":")[2]
    return str(Pid(place, start.name or f"{name}-{world.new_id()}"))


def _worker(entry: StartableWorkflow | None) -> str | None:
    if isinstance(entry, TemporalWorkflow):
        return entry.worker or entry.task_queue
    return entry.workflow.worker if entry is not None else None


def _taken(world: StartWorld, pid: str, start: Start) -> VirtualChild | None:
    """The run of that id which is to be used. Raises `Error` ALREADY_EXISTS where none may be."""
    other = world.find(pid)
    if other is None:
        return None
    id, reuse = start.name or "", start.options.get("id_reuse_policy", "allow_duplicate")
    if other.outcome is not None:
        if reuse == "reject_duplicate" or (
            reuse == "allow_duplicate_failed_only" and not isinstance(other.outcome, Error)
        ):
            raise _exists(id)
        return None
    policy = start.options.get("id_conflict_policy", "use_existing")
    if start.options.get("execution_error_when_already_started") or policy == "fail":
        raise _exists(id)
    if policy == "terminate_existing":
        other.ends(canceled(TERMINATED))
        return None
    return _Adopted(other)


def _exists(id: str) -> Error:
    return already_exists(f'workflow "{id}" already started', workflow_id=id, run_id=id)


class _Adopted(VirtualChild):
    """A run that somebody else started, for one who would have started it."""

    is_own = False

    def __init__(self, other: VirtualChild) -> None:
        super().__init__(other.pid)
        self._other = other

    def begin(self, messages: Sequence[protocol.Event]) -> None:
        for message in messages:
            self._other.post(message)
        self._other.when_ended(self.ends)

    def post(self, event: protocol.Event) -> None:
        self._other.post(event)

    def ends(self, outcome: Outcome) -> None:
        self._other.ends(outcome)
        super().ends(outcome)


class _AskedChild(VirtualChild):
    """A run in whose place the test answers."""

    def __init__(self, pid: str, world: StartWorld, start: Start, entry: StartableWorkflow | None) -> None:
        super().__init__(pid)
        self._world, self._start, self._entry = world, start, entry

    def begin(self, messages: Sequence[protocol.Event]) -> None:
        start = self._start
        self._world.ask(AskedCall(start.entry, start.args, self._answered, lambda: self.outcome is None))

    def _answered(self, outcome: Outcome) -> None:
        self.ends(held(self._entry, outcome))

    def post(self, event: protocol.Event) -> None:
        if event["t"] == "cancel":
            self.ends(canceled(CANCELED))
