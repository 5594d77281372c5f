"""The runner of a Lua execution's commands. They are asyncio tasks that run side by side; their outcomes come back as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import Error, canceled, internal
from runtime.lua import protocol
from runtime.lua.protocol import Command
from runtime.modules import catalogue
from runtime.modules.definition import HostCall
from runtime.payload import Payload
from runtime.process.authorization import check
from runtime.process.command_handlers import OPERATIONS, Operation, known_as
from runtime.process.host_port import HostPort
from runtime.process.lua_run import LuaRun

_host_log = logging.getLogger("evermoon.host")

#: Commands that are the host's word to someone else, or of no meaning outside a workflow.
_SILENT = frozenset({"status", "handler", "update_accepted", "update_done"})
#: Commands with which a process makes itself known; it is not up before they are done.
_BRIEF = frozenset({"spawn", "send", "monitor", "link", "registry.register", "registry.lookup", "registry.unregister"})
#: What an ending execution still gets done; anything else it started ends with it.
_LASTING = frozenset({"send", "spawn", "terminate", "cancel_process"})
#: Seconds those may take.
LINGER = 30.0


@dataclass(slots=True)
class _Turn:
    """The order of commands to one destination, and how many have or await their turn."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class CommandRunner:
    """The commands of one execution that are under way."""

    def __init__(self, run: LuaRun, host: HostPort) -> None:
        self._run = run
        self._host = host
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._lasting: set[asyncio.Task[None]] = set()
        self._functions: set[int] = set()
        self._brief: set[int] = set()
        self._waiting: set[int] = set()
        self._order: dict[str, _Turn] = {}
        self._heard = True

    @property
    def waits_for_functions(self) -> bool:
        """Whether a function it called has not answered yet."""
        return bool(self._functions)

    @property
    def is_settled(self) -> bool:
        """Whether it waits for nothing that is over at once, such as a name of its own."""
        return not self._brief

    def carry_out(self, commands: Sequence[Command], *, final: bool) -> None:
        """Begins `commands`, in order. After the `final` step only what outlasts an execution is begun."""
        for command in commands:
            if command.op == "log":
                self._run.log(command)
            elif command.op == "cancel":
                self._cancel(command.seq)
            elif command.op not in _SILENT and command.seq is not None and (not final or _lasts(command)):
                self._begin(command, command.seq)

    async def finish(self) -> None:
        """Waits until what outlasts the execution is done, or given up."""
        if self._lasting:
            _, late = await asyncio.wait(self._lasting, timeout=LINGER)
            if late:
                self._host.log("warn", f"{len(late)} messages were not delivered", self._about())

    def abandon(self) -> None:
        for task in [*self._tasks.values(), *self._lasting]:
            task.cancel()

    def disown(self) -> None:
        """For an execution that goes on as another: what outlasts it goes on, and no outcome is heard of any more."""
        self._heard = False
        for task in set(self._tasks.values()) - self._lasting:
            task.cancel()

    def _begin(self, command: Command, seq: int) -> None:
        task = asyncio.create_task(self._carry_out(command, seq))
        self._tasks[seq] = task
        if command.op == "call":
            self._functions.add(seq)
        if command.op in _BRIEF:
            self._brief.add(seq)
        if _lasts(command):
            self._lasting.add(task)
            task.add_done_callback(self._lasting.discard)
        said = (command.data.get("options") or {}).get("wait_for_cancellation")
        if said or (said is None and command.op in ("call", "exec") and command.data["id"] in self._host.waits):
            self._waiting.add(seq)

    def _cancel(self, seq: int | None) -> None:
        task = self._tasks.get(seq) if seq is not None else None
        if task is not None:
            task.cancel()

    async def _carry_out(self, command: Command, seq: int) -> None:
        try:
            value = await self._outcome(command)
            event = protocol.result(seq, value if isinstance(value, Payload) else Payload.of(value))
        except Error as error:
            event = protocol.failure(seq, command.placed(error))
        except asyncio.CancelledError:
            if seq not in self._waiting:
                raise
            event = protocol.failure(seq, canceled(f"{command.op} canceled"))
        except Exception:
            _host_log.exception("%s: command %s failed", self._run.pid, command.op)
            event = protocol.failure(seq, internal(f"the host failed at {command.op}"))
        finally:
            self._forget(seq)
        if self._heard:
            self._run.post(event)

    def _forget(self, seq: int) -> None:
        self._tasks.pop(seq, None)
        self._functions.discard(seq)
        self._brief.discard(seq)
        self._waiting.discard(seq)

    async def _outcome(self, command: Command) -> Any:
        run = self._run
        check(run.registry, run.call.caller.principal, command, lambda to: known_as(run, to))
        operation = OPERATIONS.get(command.op)
        if operation is not None:
            return await self._in_order(operation, command) if "to" in command.data else await operation(run, command)
        handler = catalogue.COMMANDS.get(command.op)
        if handler is None:
            raise internal(f"no host module carries out {command.op}")
        return await handler(HostCall(command.data, self._run))

    async def _in_order(self, operation: Operation, command: Command) -> Any:
        """Commands to one destination are carried out one after another: messages keep their order."""
        to = str(command.data["to"])
        turn = self._order.setdefault(to, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                return await operation(self._run, command)
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._order[to]

    def _about(self) -> dict[str, Any]:
        return {"pid": self._run.pid, "entry": self._run.entry.id, "at": None, "fields": {}}


def _lasts(command: Command) -> bool:
    """What a handler said of its response before it returned is part of its answer."""
    return command.op in _LASTING or command.op.startswith("http.")
