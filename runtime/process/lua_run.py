"""One execution of a Lua function or process: a session stepped on a thread, its commands carried out between the steps."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol

from runtime.contracts import ActivityPort, Cursor, DeliveryPort, End, EventFeed, HttpRequest, HttpResponse, OutletPort
from runtime.errors import Error, canceled, internal, invalid, rate_limited
from runtime.lua import protocol
from runtime.lua.protocol import Batch, Clock, Command, Event
from runtime.modules.security.rules import refuse
from runtime.payload import NOTHING, Payload
from runtime.principal import Principal
from runtime.process.authorization import UPGRADE
from runtime.process.concurrency import Permit
from runtime.process.event_queue import EventQueue
from runtime.process.execution import Call, Execution
from runtime.process.host_port import HostPort, workflows_of
from runtime.registry import Entry, ProcessLua, Registry
from runtime.resources import Handles, Resources

#: How much one execution may log: lines, and characters in a line.
MAX_LINES = 10_000
MAX_LINE = 16_384
#: Seconds for which the lines of a process are counted; those of a function are counted for its life.
_LINES_PERIOD = 60.0


class SessionPort(Protocol):
    """The part of `runtime.lua.session.Session` that this host needs."""

    def step(self, events: Sequence[Event], clock: Clock) -> Batch: ...
    def query(self, name: str, args: Sequence[Payload]) -> Payload: ...
    def close(self) -> None: ...


class CommandRunnerPort(Protocol):
    """The part of `runtime.process.command_runner.CommandRunner` that an execution needs."""

    @property
    def waits_for_functions(self) -> bool: ...
    @property
    def is_settled(self) -> bool: ...
    def carry_out(self, commands: Sequence[Command], *, final: bool) -> None: ...
    async def finish(self) -> None: ...
    def abandon(self) -> None: ...
    def disown(self) -> None: ...


class LuaRun(Execution):
    """An execution of Lua, which host modules see as `HostCall.process`."""

    def __init__(
        self,
        call: Call,
        host: HostPort,
        permit: Permit,
        open_session: Callable[[Call], SessionPort],
        command_runner: Callable[[LuaRun, HostPort], CommandRunnerPort],
    ) -> None:
        super().__init__(call)
        self.host = host
        self.handles = Handles()
        self._permit = permit
        self._open_session = open_session
        self._queue = EventQueue(protocol.start(call.args))
        self._woken = asyncio.Event()
        self._begun = call.host is not None  # a process waits for nobody's turn, so it may always be asked to end
        self._canceled = False
        self._ended = False
        self._lines, self._lines_since = 0, time.monotonic()
        self._session: SessionPort | None = None
        self._stepping = threading.Lock()
        self._command_runner = command_runner
        self._commands = command_runner(self, host)
        self.settled = asyncio.Event()
        """Set when its main has first waited, or has ended."""

    @property
    def entry(self) -> Entry:
        return self.call.entry

    @property
    def context(self) -> Mapping[str, Any]:
        return self.call.caller.context

    @property
    def message(self) -> DeliveryPort | None:
        return self.call.trigger.message

    @property
    def activity(self) -> ActivityPort | None:
        return self.call.trigger.activity

    @property
    def request(self) -> HttpRequest | None:
        return self.call.trigger.request

    @property
    def response(self) -> HttpResponse | None:
        return self.call.trigger.response

    @property
    def principal(self) -> Principal:
        return self.call.caller.principal

    @property
    def registry(self) -> Registry:
        return self.host.registry

    @property
    def outlet(self) -> OutletPort:
        if self._outlet is None:
            self._outlet = self.host.streams.outlet(self.entry.id, self.pid, self.activity)
        return self._outlet

    @property
    def resources(self) -> Resources:
        return self.host.resources

    def follow(self, run: str, after: Cursor | None = None) -> AbstractAsyncContextManager[EventFeed]:
        return workflows_of(self.host).follow(run, after)

    @property
    def is_over(self) -> bool:
        """Whether its last step has been taken; messages it sent may still be under way."""
        return self._ended

    @property
    def waiting(self) -> int:
        """Events it has not been given yet."""
        return len(self._queue)

    def post(self, event: Event) -> bool:
        if self._ended:
            return False
        if not self._queue.takes(event):
            raise rate_limited(f"{self.pid} has too many messages waiting", pid=self.pid, waiting=self.waiting)
        self._queue.add(event)
        self._woken.set()
        return True

    def cancel(self, reason: str, sender: str = "") -> None:
        """One that still waits for its turn ends at once; one under way gets its turn at once, to clean up."""
        self._canceled = True
        if self._begun:
            event = protocol.cancel(reason, sender)
            if sender or self._queue.takes(event):  # the host has no use for a refusal: it has asked often enough
                self.post(event)
        else:
            self.terminate("canceled before it began")

    def start(self, told: Callable[[End], None]) -> None:
        """A function's first step is taken at once where a permit is free: most have ended after it, and those cost no task.

        Not a process's: that is given messages first.
        """
        if self.call.host is not None or not self._permit.hold_now():
            return super().start(told)
        self._told = told
        self._begun = True
        self.host.threads.begin(self._first, self._queue.take(), then=self._went)
        return None

    def terminate(self, reason: str) -> None:
        super().terminate(reason)
        if self._task is None and self._end is None:  # its first step is abandoned
            self._over()
            self._finish(error=canceled(self._stopped or ""))

    async def execute(self) -> Payload:
        await self._permit.hold()
        self._begun = True
        return await self._executed()

    async def _executed(self, batch: Batch | None = None) -> Payload:
        """`batch`: what its first step gave, where that has been taken."""
        try:
            batch = await self._life(batch)
            while batch.state == "continue":
                self._become(batch.continuation or {})
                batch = await self._life(None)
            self._ended = True
            self.settled.set()
            await self._commands.finish()
            return _value(batch)
        finally:
            self._over()

    def _went(self, batch: Batch | None, error: BaseException | None) -> None:
        """The first step has been taken, and was the last of most functions."""
        if self._end is not None:  # it was terminated meanwhile
            return self._leave()
        if batch is not None and (batch.state in ("running", "continue") or any(_is_asked(batch.commands))):
            return self._go_on(self._executed(batch))
        try:
            if batch is None:
                raise error or internal("a step gave no answer")
            self._commands.carry_out(batch.commands, final=True)
            value = _value(batch)
        except Exception as raised:
            self._over()
            self._finish(error=self._failure(raised))
        else:
            self._over()
            self._finish(value)
        return None

    def _over(self) -> None:
        self._ended = True
        self.settled.set()
        self._permit.give_back()
        self._commands.abandon()
        self._leave()

    async def stack(self) -> Any:
        """Where each coroutine waits, as the query `__lua_stack` tells it; empty before it begins and after it has ended."""
        session = self._session
        return await self.host.threads.run(self._ask, session) if session is not None else []

    async def _life(self, batch: Batch | None) -> Batch:
        """One program from its start, or from what its first step gave, to its end, or to its upgrade."""
        if batch is None:
            batch = await self._next(self._first)
        while batch.state == "running":
            self._commands.carry_out(batch.commands, final=False)
            if not self._queue:
                if self._commands.is_settled:
                    self.settled.set()
                if self._commands.waits_for_functions:
                    self._permit.give_back()
                await self._woken.wait()
            if not self._canceled:
                await self._permit.hold()
            batch = await self._next(self._step)
        self._commands.carry_out(batch.commands, final=True)
        return batch

    async def _next(self, step: Callable[[list[Event]], Batch]) -> Batch:
        events = self._queue.take()
        self._woken.clear()
        return await self.host.threads.run(step, events)

    def _become(self, continuation: Mapping[str, Any]) -> None:
        """The next program of a process that is upgraded: same PID, watches and names, unread messages, nothing else."""
        if not isinstance(self.entry, ProcessLua):
            raise invalid("only a workflow or process can be upgraded")
        entry_id = str(continuation.get("id") or self.entry.id)
        if entry_id != self.entry.id:
            refuse(self.registry, self.call.caller.principal, UPGRADE, entry_id)
        entry = self.host.process_entry(entry_id)
        self._commands.disown()
        self._leave()
        self._commands = self._command_runner(self, self.host)
        context = continuation.get("ctx") or {}
        self.call = replace(
            self.call,
            entry=entry,
            args=continuation.get("args") or [],
            caller=replace(self.call.caller, context=context),
        )
        self._queue.begin_again(protocol.start(self.call.args), protocol.unread(continuation))

    def _first(self, events: list[Event]) -> Batch:
        self._session = self._open_session(self.call)
        return self._step(events)

    def _step(self, events: list[Event]) -> Batch:
        """On a thread. The session of a program that has ended is closed there and then."""
        session = self._session
        if session is None:
            raise internal(f"{self.pid} has no session")
        with self._stepping:
            begun = time.monotonic()
            batch = session.step(events, Clock(now=self.host.now()))
            if batch.state != "running" or self._ended:
                self._session = None
                session.close()
        self._queue.took(time.monotonic() - begun)
        return batch

    def _ask(self, session: SessionPort) -> Any:
        with self._stepping:
            try:
                return session.query("__lua_stack", []).value()
            except Error:
                return []

    def _leave(self) -> None:
        """Lets go of the session and of what the program held open.

        Off this thread: a step that was abandoned may still be under way, and ends within its budget.
        """
        self.handles.close_all()
        session, self._session = self._session, None
        if session is None:
            return

        def close() -> None:
            with self._stepping:
                session.close()

        self.host.threads.submit(close)

    def log(self, command: Command) -> None:
        """A line of the script's; one that writes without end is cut short, a process's every minute anew."""
        if self.call.host is not None and time.monotonic() - self._lines_since > _LINES_PERIOD:
            self._lines, self._lines_since = 0, time.monotonic()
        self._lines += 1
        if self._lines > MAX_LINES:
            return
        level, message = str(command.data.get("level") or "info"), str(command.data.get("message") or "")[:MAX_LINE]
        fields = dict(command.data.get("fields") or {})
        if self._lines == MAX_LINES:
            level, message, fields = "warn", f"more than {MAX_LINES} lines: the rest is dropped", {}
        about: dict[str, Any] = {"pid": self.pid, "entry": self.entry.id, "at": command.at, "fields": fields}
        if command.data.get("logger"):
            about["logger"] = command.data["logger"]
        self.host.log(level, message, about)


def _is_asked(commands: Sequence[Command]) -> Iterator[bool]:
    """Of each command, whether something is to be done about it, other than to write it down."""
    return (command.seq is not None for command in commands)


def _value(batch: Batch) -> Payload:
    if batch.state == "done":
        return batch.value or NOTHING
    raise batch.error or internal("the program failed without an error")


__all__ = ["LuaRun", "SessionPort"]
