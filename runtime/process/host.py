"""The process host: runs functions and processes of the registry on this machine, outside any workflow."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from runtime.contracts import NO_TRIGGER, End, LinkedWorkflows, RunPosition, StartRequest, Trigger
from runtime.errors import invalid, not_deployed, rate_limited, timed_out, unavailable
from runtime.lua import protocol
from runtime.lua.program import Programs
from runtime.lua.session import Session
from runtime.modules.calls import waits
from runtime.modules.events.bus import bus_of
from runtime.modules.stream.streams import Streams
from runtime.payload import NOTHING, Payload
from runtime.principal import ANYBODY, Caller
from runtime.process.boot_record import boot_of
from runtime.process.command_runner import CommandRunner
from runtime.process.concurrency import Concurrency, Permit
from runtime.process.describe import ProcessDescription, describe
from runtime.process.execution import Call, Execution
from runtime.process.exit_records import ExitRecords, forgotten
from runtime.process.host_port import HostPort, LogPort, log_line
from runtime.process.lua_run import LuaRun
from runtime.process.names import Names
from runtime.process.pids import Pid, no_process
from runtime.process.python_run import PythonFunction, PythonRun
from runtime.process.services.supervisor import Supervisor
from runtime.process.spawn import conflict_policy, process_entry, process_host, taken
from runtime.process.threads import Threads
from runtime.process.watches import Watches
from runtime.registry import ActivityEntry, Entry, FunctionLua, FunctionPy, ProcessLua, Registry
from runtime.registry import ProcessHostEntry as HostEntry
from runtime.registry.problems import did_you_mean
from runtime.resources import Resources

#: Seconds a cancelled execution has to end by itself.
GRACE = 10.0
#: The same for executions that outlast the grace of `close`.
_CLOSING_GRACE = 2.0
_CLOSING = "host shutdown"


class ProcessHost:
    """The host that runs `function.lua`, `function.py` and `process.lua` entries, on the event loop that it is used from.

    Each execution has a PID on `node` and, in Lua, a mailbox. `workflows` may be set later: hosts and workers are
    made before they are connected.
    """

    def __init__(
        self,
        registry: Registry,
        programs: Programs,
        *,
        workflows: LinkedWorkflows | None = None,
        streams: Streams | None = None,
        node: str = "local",
        log: LogPort = log_line,
        grace: float = GRACE,
        state: Path | None = None,
    ) -> None:
        """`state`: where queues are kept that no database is named for. None: in `.evermoon` beside the registry."""
        self.registry = registry
        self.programs = programs
        self.workflows = workflows
        self.node = node
        self.log = log
        self.now = time.time_ns
        """The time of day, as scripts see it: nanoseconds since 1970."""
        self.command_runner: Callable[[LuaRun, HostPort], CommandRunner] = CommandRunner
        self.names = Names()
        self.resources = Resources(state or registry.path.parent / ".evermoon")
        self.streams = streams or Streams(registry, self._position)
        self.threads = Threads()
        self.watches = Watches(self)
        self.services = Supervisor(self)
        self.events = bus_of(self.resources)
        self._ends = ExitRecords()
        self._processes = Counter[str]()
        self._grace = grace
        self._pools = Concurrency()
        self._runs: dict[str, Execution] = {}
        self._functions: dict[str, tuple[Entry, PythonFunction]] = {}
        self._closing = False
        # Not from 1: a PID kept from before a restart must not name a function of today.
        self._first_number = self._last_number = time.time_ns() // 1000

    @property
    def waits(self) -> Sequence[str]:
        return waits(self.programs.calls)

    def use(self, registry: Registry, programs: Programs) -> None:
        """From now on calls run this registry's entries; those under way end as they began."""
        self.registry = registry
        self.programs = programs
        self.services.reload()
        self.events.tell("registry.reloaded", registry.path.name, {"entries": len(registry.entries)})

    async def call(
        self,
        entry_id: str,
        args: Sequence[Payload],
        *,
        caller: Caller = ANYBODY,
        trigger: Trigger = NO_TRIGGER,
        timeout: float | None = None,
        former: Registry | None = None,
    ) -> Payload:
        """Runs a function and waits for its result; seconds. Raises `Error` and nothing else, but for cancellation.

        `former` is the registry to look in when the present one has the function no more: the call was on its way before that.

        NOT_FOUND (retryable: a deploy may add it) when no such function is registered; TIMEOUT after `timeout`, or after
        the entry's own. Cancelling the call, like the timeout, cancels the function and gives it a grace to end in.
        """
        self._refuse_when_closing()
        entry = self._function(entry_id, former, is_activity=trigger.activity is not None)
        pid = str(Pid(f"{entry.id}@{self.node}", self._number()))
        call = Call(entry, pid, list(args), caller, trigger)
        run = self._run(call, former)
        self._begin(run)
        try:
            return await run.outcome(timeout if timeout is not None else _own_timeout(entry), self._grace)
        finally:
            await run.has_published()  # whoever hears of its end finds what it published before

    def spawn(self, request: StartRequest) -> Execution:
        """Starts a process on the `process.host` that `request.worker` names, and gives it its first messages.

        With an `id` that a process has as its name, that one is used, unless the option `id_conflict_policy` says
        otherwise. Raises `Error`: NOT_FOUND for an unknown entry or host, INVALID for what is none, ALREADY_EXISTS for a
        name that may not be used again, RATE_LIMITED for a host that is full.
        """
        self._refuse_when_closing()
        entry, host = self.process_entry(request.entry), process_host(self.registry, request)
        run = self._named(request)
        if run is None:
            self._refuse_when_full(host)
            pid = str(Pid(f"{host.id}@{self.node}", self._number()))
            call = Call(entry, pid, list(request.args), request.caller, host=host.id)
            run = self._lua_run(call, Permit(None))
            if request.id:
                self.names.register(request.id, pid)
            self._processes[host.id] += 1
            self._begin(run)
        for message in request.messages:
            run.post(protocol.message(message.topic, request.caller.sender, message.args, self.now()))
        return run

    @property
    def running(self) -> list[str]:
        """PIDs of the executions under way, oldest first."""
        return list(self._runs)

    def find(self, pid: str) -> Execution | None:
        """The execution under way with that PID on this host."""
        return self._runs.get(pid)

    def end_of(self, pid: str) -> End | None:
        """How an execution of this host ended; None for one that runs, and for a PID that this host never gave."""
        known = self._ends.get(pid)
        if known is not None or pid in self._runs or not self.owns(pid):
            return known
        number = int(pid.rpartition("|")[2].rstrip("}"))
        return forgotten(pid, time.time_ns()) if self._first_number < number <= self._last_number else None

    def send(self, pid: str, topic: str, args: Sequence[Payload], sender: str = "") -> None:
        """Puts a message into the mailbox of an execution here. Raises `Error`: NOT_FOUND when none has that PID, RATE_LIMITED when it is full."""
        run = self._runs.get(pid)
        if run is None or not run.post(protocol.message(topic, sender, args, self.now())):
            raise no_process(pid)

    def owns(self, run: str) -> bool:
        """Whether it is the PID of an execution of this host, also of one that has ended."""
        pid = Pid.parse(run)
        return pid is not None and pid.node == self.node

    async def describe(self, pid: str, *, stack: bool = False) -> ProcessDescription:
        """Raises `Error` NOT_FOUND for one that does not run."""
        return await describe(self._under_way(pid), self.names, self.watches, stack=stack)

    async def processes(self) -> list[ProcessDescription]:
        """The processes under way, oldest first; without functions, handlers and activities."""
        runs = [run for run in self._runs.values() if run.call.host is not None]
        return [await describe(run, self.names, self.watches, stack=False) for run in runs]

    def cancel(self, pid: str, reason: str = "", sender: str = "") -> None:
        """Asks an execution here to end. Raises `Error` NOT_FOUND."""
        self._under_way(pid).cancel(reason, sender)

    def terminate(self, pid: str, reason: str = "") -> None:
        """Ends an execution here at once. Raises `Error` NOT_FOUND."""
        self._under_way(pid).terminate(reason)

    async def result(self, pid: str, timeout: float | None = None) -> Payload:
        """The value of an execution, once it has ended; seconds. Raises its failure, NOT_FOUND, or TIMEOUT with `details.waiting`."""
        run = self._runs.get(pid)
        if run is not None:
            try:
                async with asyncio.timeout(timeout):
                    await run.ended()
            except TimeoutError:
                raise timed_out(f"{pid} still runs", waiting=True) from None
            return run.result()
        end = self.end_of(pid)
        if end is None:
            raise no_process(pid)
        if end.error is not None:
            raise end.error
        return end.value or NOTHING

    async def close(self, grace: float) -> None:
        """Takes no more calls, stops the services, cancels processes, and waits `grace` seconds for all that is under way;
        then cancels the rest, and lets go of everything."""
        await self.services.stop()
        self._closing = True
        for run in self._runs.values():
            if run.call.host is not None:
                run.cancel(_CLOSING)
        await asyncio.gather(*(self._wound_down(run, grace) for run in list(self._runs.values())))
        await self.watches.close(_CLOSING_GRACE)
        await self.streams.close()
        await self.resources.close()
        await self.threads.close()

    async def _wound_down(self, run: Execution, grace: float) -> None:
        """A process gets the `stop_timeout` of its `process.host` where that is written."""
        host = self.registry.get(run.call.host) if run.call.host is not None else None
        if isinstance(host, HostEntry) and "stop_timeout" in host.lifecycle.model_fields_set:
            grace = self.registry.resolve(host).lifecycle.stop_timeout.total_seconds()
        await asyncio.wait({asyncio.create_task(run.ended())}, timeout=grace)
        await run.wind_down(_CLOSING, _CLOSING_GRACE)

    def is_process_host(self, entry_id: str) -> bool:
        return isinstance(self.registry.get(entry_id), HostEntry)

    def process_entry(self, entry_id: str) -> ProcessLua:
        """Raises `Error` NOT_FOUND, or INVALID for what is no process."""
        return process_entry(self.registry, entry_id)

    async def _position(self, run: str, run_id: str | None = None) -> RunPosition:
        """For streams. A host without workflows has runs by their ids only."""
        if self.workflows is None:
            return RunPosition(run, 0)
        return await self.workflows.position(run, run_id)

    def _under_way(self, pid: str) -> Execution:
        run = self._runs.get(pid)
        if run is None:
            raise no_process(pid)
        return run

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise unavailable("this host is shutting down")

    def _begin(self, run: Execution) -> None:
        """Registered before anything else waits for it: whoever hears of its end finds it ended."""
        self._runs[run.pid] = run
        run.start(partial(self._ended, run))
        if run.call.host is not None:
            about = {"entry": run.call.entry.id, "host": run.call.host, "sender": run.call.caller.sender}
            self.events.tell("process.started", run.pid, about)

    def _ended(self, run: Execution, end: End) -> None:
        """Before anybody hears of its end, its names are free."""
        pid = run.pid
        self.names.forget(pid)
        self._runs.pop(pid, None)
        if run.call.host is not None:
            self._processes[run.call.host] -= 1
            self._tell_end(run, end)
        self._ends.add(pid, end)
        self.watches.ended(pid, end)

    def _tell_end(self, run: Execution, end: End) -> None:
        said = {} if end.error is None else {"error": {"kind": end.error.kind, "message": str(end.error)}}
        self.events.tell("process.exited", run.pid, {"entry": run.call.entry.id, "host": run.call.host, **said})

    def _named(self, request: StartRequest) -> Execution | None:
        """The process that is to be used instead of a new one."""
        pid = self.names.get(request.id) if request.id else None
        run = self._runs.get(pid) if pid is not None else None
        if run is None or conflict_policy(request) == "use_existing":
            return run
        if conflict_policy(request) == "fail":
            raise taken(request, run.pid)
        self.names.forget(run.pid)
        run.terminate("replaced by a process of the same name")
        return None

    def _refuse_when_full(self, host: HostEntry) -> None:
        if self._processes[host.id] >= host.max_processes:
            raise rate_limited(
                f"{host.id} runs {host.max_processes} processes already", host=host.id, max_processes=host.max_processes
            )

    def _function(self, entry_id: str, former: Registry | None, *, is_activity: bool) -> Entry:
        """A process is one to a workflow, which calls it as an activity."""
        registry = former if former is not None and entry_id not in self.registry else self.registry
        entry = registry.get(entry_id)
        callable_kinds = ActivityEntry if is_activity else FunctionLua | FunctionPy
        if entry is None:
            known = [item.id for item in registry.entries.values() if isinstance(item, callable_kinds)]
            raise not_deployed("function", entry_id, did_you_mean(entry_id, known))
        if not isinstance(entry, callable_kinds):
            raise invalid(f"{entry_id} is a {entry.kind}, not a function", id=entry_id)
        return registry.resolve(entry)

    def _number(self) -> str:
        self._last_number += 1
        return str(self._last_number)

    def _run(self, call: Call, former: Registry | None) -> Execution:
        entry = call.entry
        permit = self._pools.permit(entry.id, _pool_size(call))
        if isinstance(entry, FunctionPy):
            outlet = self.streams.outlet(entry.id, call.pid, call.trigger.activity)
            return PythonRun(call, self._python(entry), permit, self.registry.environ, outlet)
        return self._lua_run(call, permit, former)

    def _lua_run(self, call: Call, permit: Permit, former: Registry | None = None) -> LuaRun:
        """Each program it becomes is of the registry as it is then."""

        def opened(call: Call) -> Session:
            return Session(self.programs.latest(call.entry.id, former), {**boot_of(call), "waits": lambda: self.waits})

        return LuaRun(call, self, permit, opened, self.command_runner)

    def _python(self, entry: FunctionPy) -> PythonFunction:
        known = self._functions.get(entry.id)
        if known is None or known[0] != entry:
            known = (entry, self.load(entry))
            self._functions[entry.id] = known
        return known[1]

    def load(self, entry: FunctionPy) -> PythonFunction:
        """Raises `Error` INVALID when its module cannot be imported."""
        return PythonFunction(entry.id, entry.load(), entry.root)


def _pool_size(call: Call) -> int | None:
    """An activity is limited by its worker's slots, which Temporal knows of, unless the entry asks for fewer."""
    entry = call.entry
    assert isinstance(entry, ActivityEntry)
    if call.trigger.activity is not None and "pool" not in entry.model_fields_set:
        return None
    return entry.pool.size


def _own_timeout(entry: Entry) -> float | None:
    timeout = getattr(entry, "timeout", None)
    return timeout.total_seconds() if timeout is not None else None
