"""One workflow run: a kernel session fed with events, its commands carried out on Temporal.

The run takes events one at a time and carries out what each led to before the next, so what it does never depends on how
Temporal batches them. Results that are known at once (a refused option, say) go before whatever waits.

It starts in the constructor of the workflow object, so before any signal, query or update is looked at: an update that
arrives with the start finds the handler that main registered, and messages come after main has first blocked.

The session outlives main: queries of a closed run are answered from it. It is closed when Temporal evicts the run, on the
thread that evicts, by the end of a task that does nothing but wait for that.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from temporalio import workflow

from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.protocol import Batch, Clock, Command, Event
from runtime.modules.calls import waits
from runtime.modules.security_rules import denied, is_allowed
from runtime.payload import Payload
from runtime.process import access
from runtime.process.pids import Pid
from runtime.temporal import activations, decisions, wire
from runtime.temporal.host import WorkflowHost
from runtime.temporal.pinning import Pinned

if TYPE_CHECKING:
    from runtime.temporal.commands.delays import Delay
    from runtime.temporal.commands.mail import Ending, Letter

RUNNING = "running"

#: What the SDK puts before the reason when a workflow asks.
_BY_WORKFLOW = re.compile(r"^Cancel requested by workflow with run id [0-9a-f-]+(?: with reason: )?")

Handler = Callable[["Run", Command], None]


class Run:
    """State of one run. Everything here happens on the workflow's own event loop; nothing is shared between runs.

    `pending` gives for each outstanding command how to cancel it; `sends` the latest delivery to each workflow id, or PID
    of a process, that is not acknowledged yet: a closing run waits for these. `letters` are those to processes, by PID.
    """

    def __init__(self, host: WorkflowHost, pinned: Pinned, args: Sequence[Payload], handlers: dict[str, Handler]):
        info = workflow.info()
        self.host = host
        self.entry_id = pinned.program.entry
        self.on_error = pinned.on_error
        self.info = info
        self.pid = str(Pid(host.worker_id, info.workflow_id))
        self.context = wire.context_of(info.headers)
        self.principal = wire.principal_of(info.headers)
        self.pending: dict[int, Callable[[], object]] = {}
        self.sends: dict[str, asyncio.Task[None]] = {}
        self.letters: dict[str, list[Letter | Ending]] = {}
        self.activity_ids: set[str] = set()  # that the server may still hold, and so refuse
        self.delays: dict[str, Delay] = {}  # of children that are still to start, by workflow id
        self.announced: dict[str, set[str]] = {}  # names the script answers to, by what they are
        self.updates: dict[str, asyncio.Future[Payload]] = {}
        self.final: Batch | None = None
        self.bundle = pinned.bundle
        self.calls = pinned.program.calls
        self._handlers = handlers
        self._events: deque[Event] = deque()
        self._settled: deque[Event] = deque()
        self._waker: asyncio.Future[None] | None = None
        self._bug: BaseException | None = None
        self._cancel_seen = False
        self.own_cancellation: str | None = None  # the reason for which the run asked for its own cancellation
        self._session = host.session(pinned.program, self._boot())
        self._lifetime = asyncio.create_task(asyncio.Event().wait(), name="session")
        self._lifetime.add_done_callback(lambda _: self._session.close())
        self._events.append(protocol.start(args))
        self._events.extend(protocol.unread(wire.carried(info.headers)))

    def _boot(self) -> dict[str, Any]:
        info = self.info
        described = {
            "workflow_id": info.workflow_id,
            "run_id": info.run_id,
            "workflow_type": info.workflow_type,
            "task_queue": info.task_queue,
            "namespace": info.namespace,
            "attempt": info.attempt,
            "start_time": info.workflow_start_time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "parent_pid": wire.sender_of(info.headers) or None,
            "cron": info.cron_schedule,
            "continued_run_id": info.continued_run_id,
            "bundle": self.bundle,
        }
        return {
            "class": "workflow",
            "pid": self.pid,
            "entry": self.entry_id,
            "worker": self.host.worker_id,
            "seed": workflow.random().getrandbits(63),
            "ctx": self.context,
            "waits": waits(self.calls if self.calls is not None else self.host.programs.calls),
            "info": {key: value for key, value in described.items() if value is not None},
        }

    # -- events in

    def post(self, event: Event) -> None:
        """Queues an event and wakes the pump."""
        self._events.append(event)
        self.wake()

    def settle(self, seq: int | None, value: Payload | Error) -> None:
        """The result of a command that is known at once."""
        if seq is not None:
            self._settled.append(_outcome(seq, value))
            self.wake()

    def resolve(self, seq: int, value: Payload | Error) -> None:
        """The result of a command that was outstanding."""
        self.pending.pop(seq, None)
        self.post(_outcome(seq, value))

    def crash(self, bug: BaseException) -> None:
        """Fails the workflow task: something happened that no script is to blame for."""
        self._bug = bug
        self.wake()

    def wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    # -- commands out

    def watch(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs host work of this run; an exception out of it is a host bug and fails the task."""
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._check)
        return task

    def _check(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            bug = task.exception()
            if isinstance(bug, Exception):
                self.crash(bug)

    def advance(self) -> None:
        """Feeds the session what has arrived, until nothing is left or the program has ended."""
        while self.final is None and (self._settled or self._events):
            activations.check()
            event = self._settled.popleft() if self._settled else self._events.popleft()
            self._take(self._session.step([event], self._clock()))
        if self._bug is not None:
            raise self._bug

    def _take(self, batch: Batch) -> None:
        if self.host.heard is not None:
            self.host.heard.extend(batch.commands)
        for command in batch.commands:
            try:
                self._ask(command)
                self._handlers[command.op](self, command)
            except Error as error:
                self.settle(command.seq, error)
        if batch.state != RUNNING:
            self.final = batch

    def _ask(self, command: Command) -> None:
        """Raises `Error` PERMISSION_DENIED for a command that the scope does not allow."""
        for number, item in enumerate(access.asked(command, access.of_pid)):
            self.ask(item, command.seq or 0, number)

    def ask(self, item: access.Asked, seq: int, number: int) -> None:
        """The policies of the day decide when live, and the record of that when replaying."""
        if self.principal.scope is None:
            return
        marker = wire.DENIED_MARKER.format(action=item.action, seq=seq, number=number)

        def live() -> bool:
            return not is_allowed(self.host.registry, self.principal, item.action, *item.resources, meta=item.meta)

        if decisions.refused(marker, live):
            raise denied(self.principal, item.action, item.resources[0])

    def _clock(self) -> Clock:
        info = self.info
        return Clock(
            now=workflow.time_ns(),
            history_length=info.get_current_history_length(),
            history_size=info.get_current_history_size(),
            continue_as_new_suggested=info.is_continue_as_new_suggested(),
            replaying=workflow.unsafe.is_replaying(),
        )

    async def pump(self) -> Batch:
        """Runs until the program has ended. Cancellation of the run becomes an event; its eviction ends the pump."""
        while True:
            self.advance()
            if self.final is not None:
                return self.final
            self._session.rest()
            self._waker = asyncio.get_running_loop().create_future()
            try:
                await self._waker
            except asyncio.CancelledError:
                if not self.take_cancellation():
                    raise

    def take_cancellation(self) -> bool:
        """Call on a CancelledError: queues a cancellation of the run as an event; False when it is an eviction instead."""
        reason = workflow.cancellation_reason()
        if self._cancel_seen or reason is None or evicted():
            return False
        self._cancel_seen = True
        reason = _BY_WORKFLOW.sub("", reason)
        self.post(protocol.cancel(reason, self.pid if reason == self.own_cancellation else ""))
        return True

    def untaken(self) -> dict[str, list[Event]]:
        """What arrived after the program ended: a continued run gets it."""
        return {
            "messages": [event for event in self._events if event["t"] == "message"],
            "events": [protocol.as_unread(event) for event in self._events if event["t"] in ("process", "cancel")],
        }

    # -- questions from outside

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        try:
            return self._session.query(name, args)
        finally:
            self._session.rest()

    def validate(self, name: str, args: Sequence[Payload]) -> None:
        """Raises `Error` when the script rejects. What no script is to blame for does not: the task is tried again.

        The SDK lets one exception of a validator fail the task, and nothing may be scheduled here, not even the pump.
        """
        try:
            self._session.validate(name, args)
        except Error:
            raise
        except Exception as bug:
            raise workflow.ReadOnlyContextError(str(bug)) from bug
        finally:
            self._session.rest()

    @property
    def cancel_requested(self) -> bool:
        return workflow.cancellation_reason() is not None


def _outcome(seq: int, value: Payload | Error) -> Event:
    return protocol.failure(seq, value) if isinstance(value, Error) else protocol.result(seq, value)


def evicted() -> bool:
    """Whether the run is being taken from the worker's memory: the SDK then refuses, with a BaseException, to do anything."""
    try:
        workflow.random()
    except BaseException:
        return True
    return False
