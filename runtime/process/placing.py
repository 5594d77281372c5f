"""The request of a spawn: which entry, on which host, and what to do about a process that has its name already."""

from __future__ import annotations

from runtime.contracts import StartRequest
from runtime.errors import Error, already_exists, invalid, not_found
from runtime.registry import ProcessHostEntry, ProcessLua, Registry


def process_entry(registry: Registry, entry_id: str) -> ProcessLua:
    """Raises `Error` NOT_FOUND, or INVALID for what is no process."""
    entry = registry.get(entry_id)
    if entry is None:
        raise not_found("entry", entry_id)
    if not isinstance(entry, ProcessLua):
        raise invalid(f"{entry_id} is a {entry.kind}, not a process", id=entry_id)
    resolved = registry.resolve(entry)
    assert isinstance(resolved, ProcessLua)
    return resolved


def process_host(registry: Registry, request: StartRequest) -> ProcessHostEntry:
    """The `process.host` that `request.worker` names, else the entry's own. Raises `Error` NOT_FOUND, or INVALID."""
    host_id = request.worker or process_entry(registry, request.entry).default_host
    if host_id is None:
        raise invalid(
            f"{request.entry} has no meta.default_host: say which process.host it is to run on", id=request.entry
        )
    entry = registry.get(host_id)
    if entry is None:
        raise not_found("process.host", host_id, host=host_id)
    if not isinstance(entry, ProcessHostEntry):
        raise invalid(f"{host_id} is a {entry.kind}, not a process.host", id=request.entry, host=host_id)
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
