"""The commands `spawn` and `exec` outside a workflow, for workflows and for processes on a host here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from runtime import limits
from runtime.contracts import LinkedWorkflows, Message, Started, StartRequest
from runtime.errors import Error, already_exists, invalid, not_found
from runtime.lua.protocol import Command
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process import await_workflow
from runtime.process.execution import Execution
from runtime.process.host_port import workflows_of
from runtime.process.lua_run import LuaRun
from runtime.registry import Entry, ProcessHostEntry, ProcessLua, Registry, RunnableLua, StartableWorkflow
from runtime.registry.problems import did_you_mean


async def start(run: LuaRun, command: Command, host: str | None, options: Mapping[str, Any]) -> str:
    """The PID of what was started, or of what is there under its name already; a workflow's end is followed when watched."""
    entry = _entry(run, command)
    if isinstance(entry, ProcessLua):
        return _spawned(run, command, host, options).pid
    started = await _start(run, command, entry.id, host, options)
    if command.data.get("monitor") or command.data.get("link"):
        run.host.watches.follow(started.pid, started.id)
    return started.pid


async def execute(run: LuaRun, command: Command, host: str | None, options: Mapping[str, Any]) -> Payload:
    """Starts and waits; giving up the wait asks what was started to cancel."""
    entry = _entry(run, command)
    if isinstance(entry, ProcessLua):
        return await _process_value(_spawned(run, command, host, options), run.pid)
    started = await _start(run, command, entry.id, host, options)
    try:
        return await await_workflow.value_of(workflows(run), started.id)
    except asyncio.CancelledError:
        with suppress(Error):  # it may have ended meanwhile
            await asyncio.shield(workflows(run).cancel(started.id, _GIVEN_UP, run.pid))
        raise


def caller(run: LuaRun, command: Command) -> Caller:
    """A callee sees its caller's context, overlaid by what the call adds; and acts as its caller, but for what the call says otherwise."""
    context = {**run.call.caller.context, **(command.data.get("ctx") or {})}
    called = run.call.caller
    return Caller(context, called.principal.changed_by(command.data), run.pid, called.depth)


def workflows(run: LuaRun) -> LinkedWorkflows:
    return workflows_of(run.host)


def startable(run: LuaRun, name: str) -> str:
    """The id of a workflow's entry, by its id or type. Raises `Error` NOT_FOUND."""
    found = run.registry.find_startable(name)
    if found is None:
        known = [item.id for item in run.registry.entries.values() if isinstance(item, StartableWorkflow)]
        raise not_found("workflow", name, did_you_mean(name, known))
    return found.id


_GIVEN_UP = "canceled by its caller"


def _entry(run: LuaRun, command: Command) -> Entry:
    entry_id = str(command.data["id"])
    registry = run.registry
    entry = registry.get(entry_id)
    if entry is None:
        known = [item.id for item in registry.entries.values() if isinstance(item, StartableWorkflow | ProcessLua)]
        raise not_found("entry", entry_id, did_you_mean(entry_id, known))
    if not isinstance(entry, StartableWorkflow | ProcessLua):
        raise invalid(f"{entry_id} is a {entry.kind}, which cannot be spawned", id=entry_id)
    return entry


def _spawned(run: LuaRun, command: Command, host: str | None, options: Mapping[str, Any]) -> Execution:
    return run.host.spawn(_request(run, command, host, options))


async def _process_value(run: Execution, caller: str) -> Payload:
    try:
        await run.ended()
    except asyncio.CancelledError:
        run.cancel(_GIVEN_UP, caller)
        raise
    return run.result()


async def _start(run: LuaRun, command: Command, entry_id: str, host: str | None, options: Mapping[str, Any]) -> Started:
    if host is not None and run.host.is_process_host(host):
        raise invalid(f"{entry_id} is a workflow: it runs on a temporal.worker, not on {host}", id=entry_id, host=host)
    return await workflows(run).start(_request(run, command, host, options))


def _request(run: LuaRun, command: Command, host: str | None, options: Mapping[str, Any]) -> StartRequest:
    starter = caller(run, command).deeper()
    if isinstance(run.call.entry, RunnableLua):
        limits.check_depth(starter.depth, run.call.entry.limits.depth, run.call.entry.id)
    return StartRequest(
        entry=str(command.data["id"]),
        args=command.args,
        id=options.get("id") or command.data.get("name"),
        worker=host or None,
        options=options,
        messages=[Message(item["topic"], item.get("args") or ()) for item in command.data.get("messages") or ()],
        caller=starter,
    )


def process_entry(registry: Registry, entry_id: str) -> ProcessLua:
    """Raises `Error` NOT_FOUND, or INVALID for what is no process."""
    entry = registry.get(entry_id)
    if entry is None:
        raise not_found("entry", entry_id, did_you_mean(entry_id, [known.id for known in registry.of_kind(ProcessLua)]))
    if not isinstance(entry, ProcessLua):
        raise invalid(f"{entry_id} is a {entry.kind}, not a process", id=entry_id)
    resolved = registry.resolve(entry)
    assert isinstance(resolved, ProcessLua)
    return resolved


def _hosts(registry: Registry) -> list[str]:
    return [host.id for host in registry.of_kind(ProcessHostEntry)]


def process_host(registry: Registry, request: StartRequest) -> ProcessHostEntry:
    """The `process.host` that `request.worker` names, else the entry's own. Raises `Error` NOT_FOUND, or INVALID."""
    host_id = request.worker or process_entry(registry, request.entry).default_host
    if host_id is None:
        raise invalid(
            f"{request.entry} has no meta.default_host: say which process.host it is to run on", id=request.entry
        )
    entry = registry.get(host_id)
    if entry is None:
        raise not_found("process.host", host_id, did_you_mean(host_id, _hosts(registry)), host=host_id)
    if not isinstance(entry, ProcessHostEntry):
        raise invalid(f"{host_id} is a {entry.kind}, not a process.host", id=request.entry, host=host_id)
    registry.services.require(entry)
    resolved = registry.resolve(entry)
    assert isinstance(resolved, ProcessHostEntry)
    return resolved


def conflict_policy(request: StartRequest) -> str:
    """ "use_existing", "fail" or "terminate_existing"."""
    if request.options.get("execution_error_when_already_started"):
        return "fail"
    return str(request.options.get("id_conflict_policy", "use_existing"))


def taken(request: StartRequest, pid: str) -> Error:
    return already_exists(f"a process named {request.id} runs", name=request.id, pid=pid)
