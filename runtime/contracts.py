"""What the parts of a host need of each other, as contracts: workflows (kept by Temporal), an execution, what it may run as or answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from runtime.errors import Error, invalid
from runtime.payload import Payload
from runtime.principal import ANYBODY, Caller, Principal
from runtime.registry import Entry, Registry
from runtime.resources import Handles, Resources

_FIELDS = ("kind", "message", "retryable", "details", "stack", "context", "cause")
_CURSOR = re.compile(r"(?P<event>[0-9]{1,18})\.(?P<seq>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class End:
    """The value of an execution that ended well, else its error; `at` is nanoseconds since 1970."""

    at: int
    value: Payload | None = None
    error: Error | None = None

    @property
    def size(self) -> int:
        return len(self.value.data) if self.value is not None else 0


@dataclass(frozen=True, slots=True)
class Message:
    """A message for a run or process: its topic and one payload per value."""

    topic: str
    args: Sequence[Payload] = ()


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A run to start. `entry` is an entry id; `worker` a `temporal.worker` id or a task-queue name (None: the entry's own worker).

    `options` are normalised workflow options (`modules/options.py`); `messages` are delivered in order, the first as
    signal-with-start where the policy allows it.
    """

    entry: str
    args: Sequence[Payload] = ()
    id: str | None = None
    worker: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    caller: Caller = ANYBODY


@dataclass(frozen=True, slots=True)
class Started:
    """`created` is False when a run with that id was open already and the conflict policy is use_existing."""

    id: str
    run_id: str
    pid: str
    created: bool = True


class RunFailed(Error):
    """The failure of a run, as opposed to that of asking for its result. `status` is the run's, e.g. "TIMED_OUT"."""

    def __init__(self, error: Error, status: str) -> None:
        super().__init__(**{name: getattr(error, name) for name in _FIELDS})
        self.status = status


@dataclass(frozen=True, slots=True)
class RunDescription:
    """One run as the runs API and the CLI show it. Times are RFC 3339 text; `status` is Temporal's, e.g. "RUNNING".

    `state` is pending, in_progress, completed, failed or wedged (tasks keep failing; `failure` has the latest cause), and unknown
    for an open run that was listed without being looked at. `cancel` says who asked it to cancel, why and when: {by, reason, at}.
    `pending` items: {activity, activity_id, state, attempt, last_failure, next_retry_at, heartbeat}, and `unserved`, the
    task queue, of one that waits on a queue that no worker polls.
    `stack`: [{coroutine, waiting_for, frames: ["file:line in name", ...], locals}], only when asked for and the run answers; `locals` has for
    each frame [{name, value}, ...], the value as a short text.
    `continue_as_new_suggested`: whether the server does, of an open run that was looked at.
    `warnings` are lines for people: what will go wrong with the run if nobody does anything, and what is missing here and why.
    """

    id: str
    run_id: str
    pid: str
    entry: str
    status: str
    state: str
    task_queue: str
    started_at: str | None = None
    closed_at: str | None = None
    history_length: int = 0
    continue_as_new_suggested: bool = False
    bundle: str | None = None
    details: Any = None
    failure: Mapping[str, Any] | None = None
    cancel: Mapping[str, Any] | None = None
    pending: Sequence[Mapping[str, Any]] = ()
    stack: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    memo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> str:
        """In words, that it has ended, when and how; empty of one that has not."""
        return f"it has ended at {self.closed_at} as {self.status}" if self.closed_at else ""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs that a query finds. `next`: the token that the next ones are asked for with, "" where there are no more. `is_partial`: there
    were more runs than one listing looks at, so that some may be missing."""

    runs: Sequence[RunDescription]
    next: str = ""
    is_partial: bool = False


class RunPosition(NamedTuple):
    """Where a run is: the id of its chain, which is that of the first run, and the number of the latest event, as `Cursor` has it.
    `base` is how many events the runs before it had."""

    chain: str
    event: int
    base: int = 0


class Workflows(Protocol):
    """Runs, wherever they live. Every method raises `runtime.errors.Error` (NOT_FOUND, UNAVAILABLE, ...) and nothing else."""

    async def start(self, request: StartRequest) -> Started: ...
    async def signal(self, run: str, topic: str, args: Sequence[Payload], sender: str = "", request: str = "") -> None:
        """A run takes in one signal of a `request`, however often it is sent."""
        ...

    async def query(self, run: str, name: str, args: Sequence[Payload]) -> Payload: ...
    async def update(self, run: str, name: str, args: Sequence[Payload]) -> Payload: ...
    async def result(self, run: str, timeout: float | None = None) -> Payload:
        """Waits for the run, through continue-as-new; seconds. Raises its failure as `RunFailed`, and TIMEOUT with
        details.waiting = True when it still runs."""
        ...

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        """Asks the run to end; `by` says who asks, as people know them."""
        ...

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None: ...
    async def describe(self, run: str, *, stack: bool = False, replayed: bool = False) -> RunDescription:
        """The run itself is asked for its details, and with `stack` where it waits. One with a long history only if it may be `replayed`."""
        ...

    def list(self, query: str = "", limit: int = 50) -> AsyncIterator[RunDescription]:
        """The runs that a visibility query finds. The state of an open one is unknown until somebody looks."""
        ...

    async def page(self, query: str, limit: int, token: str = "") -> RunPage:
        """`limit` runs of the list, from where the page that gave the token ended. Raises INVALID for a token that is none."""
        ...

    async def look(self, runs: Sequence[RunDescription]) -> Sequence[RunDescription]:
        """Listed runs with the state of now and what is pending, as `describe` has it."""
        ...

    async def count(self, query: str = "") -> int:
        """How many runs a visibility query finds."""
        ...

    async def history(self, run: str) -> dict[str, Any]:
        """The history as JSON, in the form the Temporal UI exports and `evermoon replay` reads."""
        ...

    async def position(self, run: str, run_id: str | None = None) -> RunPosition:
        """Where the run is, or one of those of its id."""
        ...

    def follow(
        self, run: str, after: Cursor | None = None, *, wait: bool = True
    ) -> AbstractAsyncContextManager[EventFeed]:
        """What happens to the run, through continue-as-new, after a cursor; without `wait` only what has happened."""
        ...


class LinkedWorkflows(Workflows, Protocol):
    """Runs with which processes of a host may be linked."""

    async def tell_end(self, run: str, kind: str, pid: str, end: End) -> None:
        """Tells a run the end of the process `pid`, as an event of that kind (`EXIT` or `LINK_DOWN` of `runtime.lua.protocol`)."""
        ...

    async def call_activity(
        self, entry: str, args: Sequence[Payload], caller: Caller, options: Mapping[str, Any]
    ) -> Payload:
        """The result of a `temporal.activity`, called by itself, by no workflow. Raises its failure."""
        ...


class ActivityPort(Protocol):
    """What the `activity` module of a function that runs as an activity talks to."""

    @property
    def info(self) -> Mapping[str, Any]:
        """JSON: activity_id, activity_type, attempt, workflow_id, run_id, workflow_pid, task_queue, heartbeat_details, deadline (RFC 3339)."""
        ...

    @property
    def idempotency_key(self) -> str: ...
    def heartbeat(self, details: Any) -> None: ...
    def is_canceled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as a Lua handler sees it. `headers` have lower-case names; `params` are path parameters.

    `body` is all of the body, or, when there is `rest`, its beginning: `rest(n)` waits for more and gives at most `n`
    bytes, none at the end; raises `Error` when the client stops short, is too slow, or sends too much.
    """

    method: str
    path: str
    host: str
    remote_addr: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes
    rest: Callable[[int], Awaitable[bytes]] | None = None


@dataclass(slots=True)
class HttpResponse:
    """What a Lua handler has answered so far; `written` says that status and headers are settled.

    A server that can stream sets `send`: called when the handler flushes, it takes what `body` holds to the client, the
    first time behind status and headers, and empties it. Without it everything is answered at the end.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    written: bool = False
    send: Callable[[HttpResponse], Awaitable[None]] | None = None


class DeliveryPort(Protocol):
    """A message of a queue in the hands of its handler. It is settled once: both raise `Error` INVALID when it is settled already."""

    @property
    def id(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, Any]: ...
    @property
    def attempt(self) -> int: ...
    def ack(self) -> None: ...
    def nack(self, reason: str = "") -> None: ...
    async def settle(self, how: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a function is called by, where that is more than another program: the task of an activity, an HTTP request with the
    response to it, or a message of a queue."""

    activity: ActivityPort | None = None
    request: HttpRequest | None = None
    response: HttpResponse | None = None
    message: DeliveryPort | None = None


#: What another program calls.
NO_TRIGGER = Trigger()


class OutletPort(Protocol):
    """What an execution publishes by, to those who follow a run."""

    def publish(self, name: str, data: Payload, position: int | None = None, run: str | None = None) -> None:
        """To the run that called, or to `run`. Waits for nothing; raises `Error` INVALID for what cannot be published, and for nothing else."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether the store has what was published to the run that called."""
        ...

    async def kept(self) -> None:
        """Returns when it has, or when it takes too long."""
        ...

    async def settled(self) -> None:
        """When the execution has ended: returns when the store has what was published, or does not answer."""
        ...


class ExecutionPort(Protocol):
    """An execution of a Lua function or process, as the modules see it that carry out its commands.

    `entry` is resolved; `activity`, `request`, `response` and `message` are None for one that runs as no activity, answers no
    request, or handles no message. `resources` are the host's, `handles` its own.
    """

    @property
    def entry(self) -> Entry: ...
    @property
    def pid(self) -> str: ...
    @property
    def context(self) -> Mapping[str, Any]: ...
    @property
    def principal(self) -> Principal: ...
    @property
    def activity(self) -> ActivityPort | None: ...
    @property
    def request(self) -> HttpRequest | None: ...
    @property
    def response(self) -> HttpResponse | None: ...
    @property
    def message(self) -> DeliveryPort | None: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def outlet(self) -> OutletPort: ...
    @property
    def resources(self) -> Resources: ...
    @property
    def handles(self) -> Handles: ...
    def follow(self, run: str, after: Cursor | None = None) -> AbstractAsyncContextManager[EventFeed]:
        """As `Workflows.follow`. Raises `Error` UNAVAILABLE where there are no workflows."""
        ...


class Cursor(NamedTuple):
    """Where in a run's events somebody is. Later events have greater ones, also across continue-as-new."""

    event: int
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises `Error` INVALID for what is none."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise invalid(f"{text[:40]!r} is not the id of an event: expected <integer>.<integer>")
        return cls(int(found["event"]), int(found["seq"]))


@dataclass(frozen=True, slots=True)
class RunEvent:
    """`data` is JSON; its `at` is when it happened, RFC 3339. A `reset` has no id: what follows begins from the beginning."""

    id: Cursor | None
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


RESET = RunEvent(None, "reset")


class EventFeed(Protocol):
    """The events of a run after a cursor, for one reader."""

    @property
    def is_over(self) -> bool:
        """Whether its reader has had the run's last event."""
        ...

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        """Ends after the last event of a closed run. Raises `Error` when the run is no longer there."""
        ...
