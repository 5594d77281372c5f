"""The functions by which a process host carries out commands: calls, timers, messages, spawns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from runtime.errors import invalid
from runtime.lua import protocol
from runtime.lua.protocol import Command
from runtime.modules.options import activity_options
from runtime.payload import NOTHING, Payload
from runtime.process import operations
from runtime.process import spawn as spawning
from runtime.process.authorization import of_pid
from runtime.process.execution import Execution
from runtime.process.lua_run import LuaRun
from runtime.process.pids import Pid, no_process
from runtime.process.watches import Watch
from runtime.registry import ProcessLua, TemporalActivity, TemporalWorkflow, WorkflowLua

Operation = Callable[["LuaRun", Command], Awaitable[Any]]


async def call(run: LuaRun, command: Command) -> Payload:
    """A function on this host. A workflow or process is spawned on its default host and awaited."""
    entry_id = str(command.data["id"])
    entry = run.registry.get(entry_id)
    if isinstance(entry, TemporalWorkflow):
        return await spawning.execute(run, command, None, {})
    if isinstance(entry, WorkflowLua | ProcessLua):
        host = entry.meta.get("default_host")
        if not host:
            raise invalid(f"{entry_id} has no meta.default_host: spawn it on a host", id=entry_id)
        return await spawning.execute(run, command, str(host), {})
    if isinstance(entry, TemporalActivity):
        options = command.data.get("options") or {}
        return await spawning.workflows(run).call_activity(
            entry_id, command.args, spawning.caller(run, command), options
        )
    own = activity_options(entry.meta.get("options") or {}) if entry is not None else {}
    options = {**own, **(command.data.get("options") or {})}
    milliseconds = options.get("start_to_close_timeout")
    return await run.host.call(
        entry_id,
        command.args,
        caller=spawning.caller(run, command),
        timeout=milliseconds / 1000 if milliseconds else None,
    )


async def timer(run: LuaRun, command: Command) -> Payload:
    await asyncio.sleep(int(command.data["ns"]) / 1e9)
    return NOTHING


async def send(run: LuaRun, command: Command) -> bool:
    await deliver(run, str(command.data["to"]), str(command.data["topic"]), command)
    return True


async def deliver(run: LuaRun, to: str, topic: str, command: Command) -> None:
    target = _target(run, to)
    if isinstance(target, Pid):
        await spawning.workflows(run).signal(target.id, topic, command.args, run.pid)
    elif not target.post(protocol.message(topic, run.pid, command.args)):
        raise no_process(to)


async def spawn(run: LuaRun, command: Command) -> str:
    """Nothing is awaited between the start and the watch, so that no end is missed."""
    if command.data.get("monitor") or command.data.get("link"):
        run.host.watches.refuse_when_full(run.pid)
    pid = await spawning.start(run, command, command.data.get("host"), command.data.get("options") or {})
    if command.data.get("monitor"):
        run.host.watches.monitor(run.pid, pid)
    if command.data.get("link"):
        run.host.watches.link(run.pid, pid)
    return pid


async def execute(run: LuaRun, command: Command) -> Payload:
    return await spawning.execute(run, command, command.data.get("host"), command.data.get("options") or {})


async def cancel_process(run: LuaRun, command: Command) -> bool:
    target, reason = _target(run, str(command.data["to"])), str(command.data.get("reason") or "")
    if isinstance(target, Pid):
        await spawning.workflows(run).cancel(target.id, reason, run.pid)
    else:
        target.cancel(reason, run.pid)
    return True


async def terminate(run: LuaRun, command: Command) -> bool:
    target, reason = _target(run, str(command.data["to"])), str(command.data.get("reason") or "")
    if isinstance(target, Pid):
        await spawning.workflows(run).terminate(target.id, reason, run.pid)
    else:
        target.terminate(reason)
    return True


async def query(run: LuaRun, command: Command) -> Payload:
    """What a workflow answers; processes have no queries."""
    to = str(command.data["to"])
    target = _target(run, to)
    if not isinstance(target, Pid):
        raise invalid(f"{to} is no workflow: only workflows answer queries")
    return await spawning.workflows(run).query(target.id, str(command.data["name"]), command.args)


async def monitor(run: LuaRun, command: Command) -> bool:
    return await _watch(run, command, Watch(monitors=True))


async def link(run: LuaRun, command: Command) -> bool:
    return await _watch(run, command, Watch(links=True))


async def unmonitor(run: LuaRun, command: Command) -> bool:
    run.host.watches.unmonitor(run.pid, _named(run, command))
    return True


async def unlink(run: LuaRun, command: Command) -> bool:
    run.host.watches.unlink(run.pid, _named(run, command))
    return True


async def register(run: LuaRun, command: Command) -> bool:
    pid = str(command.data.get("pid") or run.pid)
    if run.host.find(pid) is None:
        raise no_process(pid)
    run.host.names.register(str(command.data["name"]), pid)
    return True


async def lookup(run: LuaRun, command: Command) -> str:
    return run.host.names.lookup(str(command.data["name"]))


async def unregister(run: LuaRun, command: Command) -> bool:
    return run.host.names.unregister(str(command.data["name"]))


async def _watch(run: LuaRun, command: Command, watch: Watch) -> bool:
    """What has ended already is told of at once."""
    pid, watches = _named(run, command), run.host.watches
    if run.host.find(pid) is None:
        end = run.host.end_of(pid)
        if end is not None:
            watches.tell(run.pid, pid, end, watch)
            return True
        workflow = _target(run, str(command.data["to"]))
        assert isinstance(workflow, Pid)
        await spawning.workflows(run).describe(workflow.id)
        watches.refuse_when_full(run.pid, pid)
        watches.follow(pid, workflow.id)
    watches.refuse_when_full(run.pid, pid)
    if watch.monitors:
        watches.monitor(run.pid, pid)
    else:
        watches.link(run.pid, pid)
    return True


def _named(run: LuaRun, command: Command) -> str:
    """The PID that a destination stands for."""
    to = str(command.data["to"])
    return run.host.names.get(to) or to


def known_as(run: LuaRun, to: str) -> list[str]:
    """Every name of a destination: a rule about any of them is a rule about it."""
    found = run.host.find(run.host.names.get(to) or to)
    if found is None:
        return of_pid(to)
    return [to, found.pid, found.call.entry.id, *run.host.names.of(found.pid)]


def _target(run: LuaRun, to: str) -> Execution | Pid:
    """A running function here, by PID or name, or the PID of a workflow. Raises `Error` NOT_FOUND for anything else."""
    found = run.host.find(run.host.names.get(to) or to)
    if found is not None:
        return found
    pid = Pid.parse(to)
    if pid is None or pid.node is not None:
        raise no_process(to, here=run.host.node)
    return pid


async def start_operation(run: LuaRun, command: Command) -> str:
    """The id of the operation. Raises INVALID for what is no command, CONFLICT for another one of the same key."""
    entry = spawning.startable(run, str(command.data["id"]))
    [payload] = command.args
    said = operations.checked(payload.value())
    budget = command.data.get("budget_ns")
    options = {"budget": int(budget) // 1_000_000} if budget else {}
    caller = spawning.caller(run, command).deeper()
    begun = await operations.begin(spawning.workflows(run), operations.start_of(entry, said, payload, options, caller))
    return begun.started.id


async def show_operation(run: LuaRun, command: Command) -> Payload:
    return Payload.of(await operations.document(spawning.workflows(run), str(command.data["id"])))


async def await_operation(run: LuaRun, command: Command) -> Payload:
    """Its result. Raises its failure, and TIMEOUT when it still runs."""
    ns = command.data.get("timeout_ns")
    return await spawning.workflows(run).result(str(command.data["id"]), int(ns) / 1e9 if ns is not None else None)


OPERATIONS: Mapping[str, Operation] = {
    "call": call,
    "timer": timer,
    "send": send,
    "spawn": spawn,
    "exec": execute,
    "cancel_process": cancel_process,
    "terminate": terminate,
    "query": query,
    "monitor": monitor,
    "unmonitor": unmonitor,
    "link": link,
    "unlink": unlink,
    "operation.start": start_operation,
    "operation.show": show_operation,
    "operation.await": await_operation,
    "registry.register": register,
    "registry.lookup": lookup,
    "registry.unregister": unregister,
}
