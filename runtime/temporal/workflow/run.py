"""One workflow run: a kernel session fed with events, its commands carried out on Temporal.

The run takes events one at a time and carries out what each led to before the next, so what it does never depends on how
Temporal batches them. Results that are known at once (a refused option, say) go before whatever waits.

It starts before any signal, query or update is looked at: an update that arrives with the start finds the handler that main
registered, and messages come after main has first blocked. The session outlives main: queries of a closed run are answered from
it. It is closed when Temporal evicts the run.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping, Sequence
from datetime import UTC
from random import Random
from typing import Any, Protocol, cast
from uuid import UUID

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import Success
from temporalio.converter import FailureConverter, PayloadConverter
from temporalio.worker import PatchActivationInput, WorkflowInstanceDetails

from runtime import limits
from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.hibernation import HibernatingSession
from runtime.lua.program import Unit
from runtime.lua.protocol import Batch, Clock, Command, Event
from runtime.lua.session import Questions
from runtime.modules.calls import waits
from runtime.modules.security.rules import denied, is_allowed
from runtime.payload import Payload
from runtime.process import authorization
from runtime.process.pids import Pid
from runtime.registry import WorkflowLimits, WorkflowLua
from runtime.registry.problems import closest
from runtime.temporal import wire
from runtime.temporal.budgets import Budget
from runtime.temporal.history import long_histories
from runtime.temporal.worker import activations
from runtime.temporal.workflow import overtime
from runtime.temporal.workflow.delayed_start import DelayedStart
from runtime.temporal.workflow.environment import Pinned, WorkflowHost
from runtime.temporal.workflow.pending import Pending
from runtime.temporal.workflow.turns import Turns

RUNNING = "running"
_FULL = wire.FULL_MARKER.format(at="")

#: Of a run whose entry this host does not have: what it was refused is recorded.
_NO_LIMITS = WorkflowLimits.model_construct()

_log = logging.getLogger(__name__)

#: What the SDK's core puts before the reason when a workflow asks.
_BY_WORKFLOW = re.compile(r"^Cancel requested by workflow with run id [0-9a-f-]+(?: with reason: )?")
#: The SDK's flag of a history in which an activity that was cancelled in the turn of its result counts as cancelled.
_CANCELLED_WITH_ITS_RESULT = 1

Handler = Callable[["Run", Command], None]
Headers = Mapping[str, Proto]


class PendingDelivery(Protocol):
    """A delivery to one destination, in `Run.sends` until it has arrived."""

    def when_done(self, follower: Callable[[], None]) -> None:
        """Calls once, when the next delivery to the destination may begin."""

    def give_up(self) -> None:
        """The run closes and waits no longer."""


class HeldPort(Protocol):
    """A command that waits for a later task."""

    def drop(self) -> None:
        """It will never be sent."""


class PacingPort(Protocol):
    """The part of `pacing.Pacing` that a run and its commands need."""

    def send(self, size: int, write: Callable[[], object], *, lasts: bool = False) -> HeldPort | None: ...
    def when_done(self, follower: Callable[[], None]) -> bool: ...


class Run:
    """The state of one run, and the activation under way. One thread uses it at a time; nothing is shared between runs.

    `outstanding` gives for each command of the script that waits for a result how to cancel it; `sends` the latest delivery to each
    workflow id, or PID of a process, that is not acknowledged yet: a closing run waits for these.
    """

    turns: Turns
    commands: RepeatedCompositeFieldContainer[WorkflowCommand]
    clock: Clock

    def __init__(
        self,
        host: WorkflowHost,
        details: WorkflowInstanceDetails,
        converters: tuple[FailureConverter, PayloadConverter],
        handlers: Mapping[str, Handler],
        conclude: Callable[[Run], None],
        pacing: Callable[[Run], PacingPort],
    ) -> None:
        info = details.info
        self.host = host
        self.info = info
        self.pid = str(Pid(host.worker_id, info.workflow_id))
        self.context = wire.context_of(info.headers)
        self.principal = wire.principal_of(info.headers)
        self.depth = wire.depth_of(info.headers)
        self.is_eager = not details.disable_eager_activity_execution
        self.pending = Pending()
        self.pacing = pacing(self)
        self.used = 0  # bytes of the workflow task under way, at most
        self.was_full = False  # whether history has a task that was
        self.outstanding: dict[int, Callable[[], object]] = {}
        self.sends: dict[str, PendingDelivery] = {}
        self.delays: dict[str, DelayedStart] = {}  # of children that are still to start, by workflow id
        self.activity_ids: set[str] = set()  # that the server may still hold, and so refuse
        self.system_activities = 0
        self.announced: dict[str, set[str]] = {}  # names the script answers to, by what they are
        self.timers = 0  # of the script that are under way
        self.updates: dict[str, str] = {}  # the SDK's instance of each accepted update that has no answer, by its id
        self.current_details = ""
        self.statuses = 0  # that it has given itself
        self.published: dict[str, int] = {}  # how many events of each stream
        self.search: SearchAttributes | None = None  # the search attributes, once the script has changed them
        self.final: Batch | None = None
        self.cancel_reason: str | None = None
        self.units: tuple[Unit, ...] = ()
        self.budget: Budget | None = None
        self.is_budget_spent = False
        self.is_cancelled_at_end = False  # the server's wish came in the turn in which the program had ended
        self.own_cancellation: str | None = None  # the reason for which the run asked for its own cancellation
        self.replaying = False
        self._session: HibernatingSession | None = None
        self._converters = converters
        self._handlers = handlers
        self._conclude = conclude
        self._activates_patch = details.patch_activation_callback
        self._seed = details.randomness_seed
        self._random: Random | None = None
        self._recorded: set[str] = set()  # patches that history has
        self._steps = 0  # that the session has taken
        self._overrun: overtime.Overrun | None = None  # the step that history says the run could not get past
        self._patches: dict[str, bool] = {}
        self._events: deque[Event] = deque()
        self._settled: deque[Event] = deque()
        self._task = -1
        self._is_parked = False
        self._interrupted = False
        self._cancel_seen = False
        self._headers: Headers | None = None
        self._success: Success | None = None
        self._flags: Container[int] = ()

    # -- the activation under way

    def enter(self, act: WorkflowActivation, success: Success) -> None:
        """What is emitted until `leave` belongs to the answer to this activation."""
        stamp = act.timestamp
        self.turns = Turns()
        self.commands = success.commands
        self.replaying = act.is_replaying
        self.clock = Clock(
            now=stamp.seconds * 1_000_000_000 + stamp.nanos,
            history_length=act.history_length,
            history_size=act.history_size_bytes,
            continue_as_new_suggested=act.continue_as_new_suggested,
            replaying=act.is_replaying,
        )
        self._success, self._flags = success, act.available_internal_flags
        if act.history_length != self._task:  # else the same task goes on, after a local activity
            self._task, self.used = act.history_length, 0
        if not act.is_replaying:
            self._notice_length(self.clock)

    def leave(self) -> None:
        """Keeps nothing of the activation: a parked run should hold little. It may sleep from here on."""
        del self.turns, self.commands
        self._success, self._flags = None, ()
        if self._session is not None and self.final is None:  # what has ended waits for nothing: it is evicted next
            self._session.rest()

    def _notice_length(self, clock: Clock) -> None:
        """Says once on this worker that the run's history has become long."""
        warning = long_histories.warning(clock.history_length, clock.history_size)
        if warning is not None and self.info.run_id not in self.host.long:
            self.host.long.add(self.info.run_id)
            _log.warning("workflow %s (%s): %s", self.info.workflow_id, self.info.workflow_type, warning)

    @property
    def now(self) -> int:
        """Nanoseconds since 1970, UTC: the time of the workflow task."""
        return self.clock.now

    def emit(self) -> WorkflowCommand:
        """A new command, behind those there are, for the caller to fill."""
        self.used += limits.COMMAND
        return self.commands.add()

    def notice_patch(self, marker: str) -> None:
        self._recorded.add(marker)
        self.was_full = self.was_full or marker.startswith(_FULL)
        self._overrun = self._overrun or overtime.read(marker)

    def recorded(self, prefix: str) -> str | None:
        """The rest of the patch with this prefix that history has."""
        return next((marker[len(prefix) :] for marker in self._recorded if marker.startswith(prefix)), None)

    def patched(self, marker: str, *, deprecated: bool = False) -> bool:
        """Temporal's patch: recorded when live, and whether it is recorded when replaying. The first answer stays."""
        known = self._patches.get(marker)
        if known is not None:
            return known
        use = marker in self._recorded or not self.replaying
        if use and not deprecated and marker not in self._recorded and self._activates_patch is not None:
            use = self._activates_patch(PatchActivationInput(workflow_info=self.info, patch_id=marker))
        self._patches[marker] = use
        if use:
            patch = self.emit().set_patch_marker
            patch.patch_id, patch.deprecated = marker, deprecated
        return use

    @property
    def may_have_been_refused(self) -> bool:
        """Whether a record of `refused` may exist."""
        return self.replaying and bool(self._recorded)

    def refused(self, marker: str, live: Callable[[], bool]) -> bool:
        """Whether a call is refused: `live()` decides and is recorded, in a replay the record does.

        What a worker knows (which entries exist, which search attributes are declared) changes with a deploy; what a run was told must
        not. The marker is of one call alone.
        """
        if self.replaying:
            return bool(self._recorded) and self.patched(marker)
        return live() and self.patched(marker)

    def meant(self, seq: int | None, id: str, known: Iterable[str]) -> str:
        """Behind the name of an unknown id: which one may have been meant. Recorded, since a deploy changes what is known."""
        prefix = wire.MEANT_MARKER.format(seq=seq)
        if self.replaying:
            marker = next((item for item in self._recorded if item.startswith(prefix)), None)
        else:
            near = closest(id, known)
            marker = prefix + near if near else None
        return f'; did you mean "{marker[len(prefix) :]}"?' if marker is not None and self.patched(marker) else ""

    def is_cancelled_with_its_result(self) -> bool:
        """Whether an activity that is cancelled in the turn of its result counts as cancelled. Recorded."""
        if self.replaying and _CANCELLED_WITH_ITS_RESULT not in self._flags:
            return False
        if self._success is not None:
            self._success.used_internal_flags.append(_CANCELLED_WITH_ITS_RESULT)
        return True

    def uuid4(self) -> str:
        """Of the run's own random numbers, of which the first has seeded the session."""
        if self._random is None:
            self._random = Random(self._seed)
            self._random.getrandbits(63)
        return str(UUID(bytes=self._random.getrandbits(128).to_bytes(16, "big"), version=4))

    def seed(self, seed: int) -> None:
        """After a reset of the run."""
        self._random = Random(seed)

    def failure_of(self, failure: Failure) -> BaseException:
        """A failure of Temporal as the SDK's exception."""
        converter, payloads = self._converters
        return converter.from_failure(failure, payloads)

    def write_failure(self, error: BaseException, failure: Failure) -> None:
        converter, payloads = self._converters
        converter.to_failure(error, payloads, failure)

    def payload_of(self, value: Any) -> Proto:
        """A value of the host's own, such as a memo, as the worker's converter has it."""
        return self._converters[1].to_payload(value)

    def upsert_memo(self, values: Mapping[str, Proto | None]) -> None:
        """None takes a value out of the memo."""
        memo = cast(MutableMapping[str, Proto], self.info.raw_memo)
        for name, value in values.items():
            if value is None:
                memo.pop(name, None)
            else:
                memo[name] = value

        def write() -> None:
            fields = self.emit().modify_workflow_properties.upserted_memo.fields
            for name, value in values.items():
                fields[name].CopyFrom(value if value is not None else self.payload_of(None))

        size = sum(len(name) + value.ByteSize() for name, value in values.items() if value is not None)
        self.pacing.send(size, write, lasts=True)

    # -- the life of the run

    def begin(
        self, pinned: Pinned, args: Sequence[Payload], questions: Questions, refusal: Error | None = None
    ) -> None:
        """Starts main, and carries out what it asks for before it first waits. A `refusal` of its input is all that comes of the run."""
        self.entry_id = pinned.program.entry
        entry = self.host.registry.get(self.entry_id)
        self.most = entry.limits if isinstance(entry, WorkflowLua) else _NO_LIMITS
        self.on_error = pinned.on_error
        self.bundle = pinned.bundle
        self.calls = pinned.program.calls
        self.units = tuple(pinned.program.units.values())
        self._session = self.host.session(pinned.program, self._boot(pinned), questions)
        if refusal is not None:  # no mended script makes another input of it
            self.on_error = "fail"
            self.final = Batch("failed", error=refusal)
            return
        self._events.append(protocol.start(args))
        carried = wire.carried(self.info.headers)
        if carried:
            self._events.extend(protocol.unread(carried))
        self.advance()

    def _boot(self, pinned: Pinned) -> dict[str, Any]:
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
            "bundle": pinned.bundle,
        }
        return {
            "class": "workflow",
            "pid": self.pid,
            "entry": self.entry_id,
            "worker": self.host.worker_id,
            "seed": Random(self._seed).getrandbits(63),
            "ctx": self.context,
            "waits": waits(self.calls if self.calls is not None else self.host.programs.calls),
            "info": {key: value for key, value in described.items() if value is not None},
        }

    def evict(self) -> None:
        """Frees what the run holds; nothing of it can be used any more. Idempotent."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self.pending = Pending()
        self.outstanding.clear()
        self.sends.clear()

    @property
    def has_begun(self) -> bool:
        return self._session is not None

    @property
    def session(self) -> HibernatingSession:
        """Of a run that has begun."""
        assert self._session is not None
        return self._session

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
        self.outstanding.pop(seq, None)
        self.post(_outcome(seq, value))

    def wake(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self.turns.soon(self.pump)

    def request_cancellation(self, reason: str) -> None:
        """The server's wish. It becomes an event in the turn after this one, behind what has come by then."""
        self.cancel_reason = reason
        self.turns.soon(self._interrupt)

    def interrupt(self, reason: str) -> None:
        """The run's own wish, which nobody sent, of one that has not ended."""
        self.cancel_reason = reason
        self._interrupted = True
        self.wake()

    def end(self, final: Batch) -> None:
        """Ends the program from outside."""
        self.final = final
        self.wake()

    def end_when_full(self) -> None:
        """Ends the run where its history has no room left, whatever its program says. Recorded, with the task that it happens in."""
        events, size = self.clock.history_length, self.clock.history_size
        if self.final is not None or not self.has_begun:
            return
        if wire.HISTORY_MARKER not in self._recorded and (self.replaying or not long_histories.is_full(events, size)):
            return
        if self.patched(wire.HISTORY_MARKER):
            self.on_error = "fail"  # no mended script makes it shorter
            self.end(Batch("failed", error=long_histories.full(events, size)))

    def _interrupt(self) -> None:
        if self.final is None:
            self._interrupted = True
            self.wake()
        else:
            self.is_cancelled_at_end = True
            self._take_cancellation()

    def _take_cancellation(self) -> None:
        if self._cancel_seen:
            return
        self._cancel_seen = True
        reason = _BY_WORKFLOW.sub("", self.cancel_reason or "")
        self._events.append(protocol.cancel(reason, self.pid if reason == self.own_cancellation else ""))

    # -- commands out

    def pump(self) -> None:
        """Feeds the session what has arrived; parks, or concludes the run when its program has ended."""
        if self._interrupted:
            self._interrupted = False
            self._take_cancellation()
        self.advance()
        if self.final is None:
            self._is_parked = True
        else:
            self._conclude(self)

    def advance(self) -> None:
        """Until nothing is left or the program has ended."""
        while self.final is None and (self._settled or self._events):
            activations.check()
            event = self._settled.popleft() if self._settled else self._events.popleft()
            self._step(event)

    def _step(self, event: Event) -> None:
        """What a step that is tried for the last time asked for is dropped: where it ends is no property of its script."""
        self._steps += 1
        overrun = self._overrun
        if overrun is None or overrun.step != self._steps:
            tries = self.host.overtime.tries(self.info.run_id, self._steps)
            batch = self.session.step((event,), self.clock, patience=1 + tries)
            overrun = None
            if batch.spent == "time" and not self.replaying and self.on_error != "retry_task":
                times = self.session.taken(), activations.taken()
                overrun = self.host.overtime.add(self.info.run_id, self._steps, batch, *times)
            if overrun is None:
                return self._take(batch)
        if self.patched(overrun.marker):
            self.final = overrun.final

    def _take(self, batch: Batch) -> None:
        if self.host.heard is not None:
            self.host.heard.extend(batch.commands)
        restricted = self.principal.scope is not None
        for command in batch.commands:
            try:
                if restricted:
                    self._ask(command)
                self._handlers[command.op](self, command)
            except Error as error:
                self.settle(command.seq, command.placed(error))
        if batch.state != RUNNING:
            self.final = batch

    def _ask(self, command: Command) -> None:
        """Raises `Error` PERMISSION_DENIED for a command that the scope does not allow."""
        for number, item in enumerate(authorization.asked(command, authorization.of_pid)):
            self.ask(item, command.seq or 0, number)

    def ask(self, item: authorization.AccessRequest, seq: int, number: int) -> None:
        """The policies of the day decide when live, and the record of that when replaying."""
        if self.principal.scope is None:
            return
        marker = wire.DENIED_MARKER.format(action=item.action, seq=seq, number=number)

        def live() -> bool:
            return not is_allowed(self.host.registry, self.principal, item.action, *item.resources, meta=item.meta)

        if self.refused(marker, live):
            raise denied(self.principal, item.action, item.resources[0])

    def call_headers(self, data: Mapping[str, Any]) -> Headers:
        """Headers of an activity that the script calls: the same for all calls that say nothing of their own."""
        context = data.get("ctx") or self.context
        if context != self.context or "actor" in data or "scope" in data:
            return self._call_headers(context, data)
        if self._headers is None:
            self._headers = self._call_headers(context, data)
        return self._headers

    def _call_headers(self, context: Mapping[str, Any], data: Mapping[str, Any]) -> Headers:
        chain = self.info.first_execution_run_id
        principal = self.principal.changed_by(data)
        return wire.headers(context=context, principal=principal, sender=self.pid, chain=chain, depth=self.depth)

    def untaken(self) -> dict[str, list[Event]]:
        """What arrived after the program ended: a continued run gets it."""
        return {
            "messages": [event for event in self._events if event["t"] == "message"],
            "events": [protocol.as_unread(event) for event in self._events if event["t"] in ("process", "cancel")],
        }

    # -- questions from outside

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        return self.session.query(name, args)

    def validate(self, name: str, args: Sequence[Payload]) -> None:
        """Raises `Error` when the script rejects."""
        self.session.validate(name, args)

    @property
    def cancel_requested(self) -> bool:
        return self.cancel_reason is not None


def _outcome(seq: int, value: Payload | Error) -> Event:
    return protocol.failure(seq, value) if isinstance(value, Error) else protocol.result(seq, value)
