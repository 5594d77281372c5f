"""Runs that a test starts and drives: entries of the registry whose calls the test itself may answer.

The test library reaches this through functions of namespace ``evermoon.test``. Most answer how the run stands:
``{state, asked?, value?, waits?}``, where `asked` is a call that the test has to answer before anything else goes on, and `waits` says
of a run that time does not help what it waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from runtime.errors import CANCELED, INTERNAL, Error, invalid, not_found
from runtime.lua.program import Programs
from runtime.modules.stream.record import STREAM
from runtime.payload import Payload
from runtime.principal import Caller, Principal
from runtime.process.host_port import LogPort, log_line
from runtime.process.pids import Pid
from runtime.registry import ActivityEntry, Registry, WorkflowLua
from runtime.registry.problems import did_you_mean
from runtime.testing.children import Outcome
from runtime.testing.function_run import FunctionRun
from runtime.testing.lua_files import NAMESPACE
from runtime.testing.registry_host import RegistryHost, new_world
from runtime.testing.starts import AskedCall
from runtime.testing.world import World

#: Of `test.start{…}`.
OPTIONS = ("entry", "args", "functions", "context", "actor", "scope")
#: How often something may happen without the run taking a step, before it is taken for something that never ends.
_MOST_MOMENTS = 100_000


class DrivenRun(Protocol):
    """A run as a test drives it."""

    @property
    def world(self) -> World: ...
    @property
    def pid(self) -> str: ...
    @property
    def is_over(self) -> bool: ...
    def start(self, *args: Any) -> None: ...
    def outcome(self) -> Any: ...
    def send(self, topic: str, *args: Any, sender: str = "") -> None: ...
    def cancel(self, reason: str = "") -> None: ...
    def query(self, name: str, *args: Any) -> Any: ...
    def begin_update(self, name: str, args: Sequence[Payload], told: Callable[[Outcome], None]) -> None: ...
    def close(self) -> None: ...


class MockedRuns:
    """The runs of one test case."""

    def __init__(self, registry: Registry, programs: Programs, log: LogPort = log_line) -> None:
        self._registry = registry
        self._programs = programs
        self._log = log
        self._runs: list[DrivenRun] = []
        self._open: dict[int, AskedCall] = {}
        self._until: dict[int, int] = {}
        self._updates: dict[int, list[Outcome]] = {}

    def stands(self) -> dict[str, Callable[..., Any]]:
        """What answers the library's functions, by id."""
        ways = (self.start, self.answer, self.finish, self.send, self.cancel, self.advance, self.query, self.update)
        others = (self.finish_update, self.updated, self.failure, self.published)
        return {f"{NAMESPACE}:{way.__name__}": way for way in (*ways, *others)}

    def close(self) -> None:
        for run in self._runs:
            run.close()

    def start(self, _host: RegistryHost, options: Mapping[str, Any], mocked: Sequence[str]) -> Any:
        """Raises `Error` INVALID for options that `test.start` does not have, NOT_FOUND for an entry that the registry does not have."""
        _check(options)
        self._hint(mocked)
        run = self._made(options, mocked)
        self._runs.append(run)
        run.start(*options.get("args") or ())
        return {**self._standing(len(self._runs)), "run": len(self._runs), "pid": run.pid}

    def answer(self, _host: RegistryHost, run: int, value: Any, error: Any = None) -> Any:
        said = _error(error)
        self._open.pop(run).reply(said if said is not None else Payload.of(value))
        self._runs[run - 1].world.settle()
        return self._pass(run)

    def finish(self, _host: RegistryHost, run: int) -> Any:
        """Lets time pass until the run ends, asks, or waits for what no timer brings."""
        driven = self._runs[run - 1]
        moments = 0
        while not driven.is_over and not driven.world.asks and moments < _MOST_MOMENTS:
            steps = driven.world.steps
            if not driven.world.passes():
                break
            moments = moments + 1 if driven.world.steps == steps else 0
        return {**self._standing(run), "waits": _waits_for(driven, moments)}

    def send(self, host: RegistryHost, run: int, topic: str, args: Sequence[Any]) -> Any:
        """A message from the test. Raises `Error` NOT_FOUND when the run has ended."""
        self._going_on(run).send(topic, *args, sender=host.pid)
        return self._standing(run)

    def cancel(self, _host: RegistryHost, run: int, reason: str) -> Any:
        """Raises `Error` NOT_FOUND when the run has ended."""
        self._going_on(run).cancel(reason)
        return self._standing(run)

    def advance(self, _host: RegistryHost, run: int, nanoseconds: int) -> Any:
        """Lets time pass; it stands still while the run waits for the test's answer, and goes on with `answer`."""
        self._until[run] = self._runs[run - 1].world.now + nanoseconds
        return self._pass(run)

    def query(self, _host: RegistryHost, run: int, name: str, args: Sequence[Any]) -> Any:
        return self._runs[run - 1].query(name, *args)

    def update(self, host: RegistryHost, run: int, name: str, args: Sequence[Any]) -> Any:
        """Begins an update. Raises the `Error` of what refuses it."""
        self._updates[run] = []
        self._runs[run - 1].begin_update(name, [Payload.of(arg) for arg in args], self._updates[run].append)
        return self.finish_update(host, run)

    def finish_update(self, _host: RegistryHost, run: int) -> Any:
        """Lets time pass until the update has its answer, or the run asks."""
        driven = self._runs[run - 1]
        driven.world.settle()
        while not self._updates[run] and not driven.is_over and not driven.world.asks and driven.world.passes():
            pass
        return self._standing(run)

    def updated(self, _host: RegistryHost, run: int) -> Any:
        """The answer of the last update. Raises its `Error`, and INVALID while there is none."""
        if not self._updates[run]:
            raise invalid("the update still waits, for what no time brings")
        outcome = self._updates[run][0]
        if isinstance(outcome, Error):
            raise outcome
        return outcome.value()

    def published(self, _host: RegistryHost, run: int, name: str) -> Any:
        """What the run and its functions have published under that name, in order."""
        driven = self._runs[run - 1]
        pid = Pid.parse(driven.pid)
        events = driven.world.published(pid.id) if pid is not None else []
        return [event.data["data"] for event in events if event.name == STREAM and event.data["name"] == name]

    def failure(self, _host: RegistryHost, run: int) -> Any:
        """Raises the failure of a run that has failed, whole."""
        return self._runs[run - 1].outcome()

    def _made(self, options: Mapping[str, Any], mocked: Sequence[str]) -> DrivenRun:
        entry = self._registry.get(options["entry"])
        caller = Caller(options.get("context") or {}, Principal.of(options.get("actor"), options.get("scope")))
        if entry is not None and not isinstance(entry, WorkflowLua | ActivityEntry):
            raise invalid(f"{entry.id} is a {entry.kind}: a test starts workflows, functions and processes")
        if entry is None:
            startable = [e.id for e in self._registry.entries.values() if isinstance(e, WorkflowLua | ActivityEntry)]
            raise not_found("entry", options["entry"], did_you_mean(options["entry"], startable))
        world = new_world(self._registry, self._programs, mocked=mocked, log=self._log)
        if isinstance(entry, ActivityEntry):
            return FunctionRun(world, entry, caller)
        return RegistryHost(world, entry.id, caller=caller)

    def _going_on(self, number: int) -> DrivenRun:
        run = self._runs[number - 1]
        if run.is_over:
            raise not_found("open run", run.pid, f"it has ended: its state is {self._standing(number)['state']}")
        return run

    def _hint(self, mocked: Sequence[str]) -> None:
        """Of ids that no entry has: a test may answer for what is not written yet, or have mistyped it."""
        for id in mocked:
            hint = did_you_mean(id, self._registry.entries) if id not in self._registry.entries else ""
            if hint:
                self._log(
                    "warn", f'functions["{id}"] answers for an id that no entry has: {hint}', {"at": "test.start"}
                )

    def _pass(self, number: int) -> dict[str, Any]:
        run, until = self._runs[number - 1], self._until.get(number)
        if until is not None:
            while not run.is_over and not run.world.asks and run.world.passes(until):
                pass
            if run.is_over or not run.world.asks:
                run.world.clock.now = max(run.world.now, self._until.pop(number))
        return self._standing(number)

    def _standing(self, number: int) -> dict[str, Any]:
        run = self._runs[number - 1]
        if not run.is_over and run.world.asks:
            asked = self._open[number] = run.world.asked.pop(0)
            return {"state": "asks", "asked": {"id": asked.id, "args": [arg.value() for arg in asked.args]}}
        if not run.is_over:
            return {"state": "running"}
        try:
            return {"state": "done", "value": run.outcome()}
        except Error as error:
            return {"state": "canceled" if error.kind == CANCELED else "failed"}


def _check(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in OPTIONS:
            hint = did_you_mean(name, OPTIONS)
            known = ", ".join(OPTIONS)
            raise invalid(f"no option '{name}'{f': {hint}' if hint else ''} (it has {known})")


def _waits_for(run: DrivenRun, moments: int) -> str | None:
    """What a run waits for that no time brings."""
    for activity in run.world.endless:
        entry, last = activity.scheduled.entry, activity.failures[-1]
        how = f"failed {len(activity.failures)} times and has no end of attempts; at last: {last} [{last.kind}]"
        mend = "answer it in `functions`, or limit its activity.retry_policy.maximum_attempts"
        return f"{entry}, which {how}: {mend}"
    if moments >= _MOST_MOMENTS:
        return f"what did not come while {moments} other things happened"
    return None


def _error(said: Any) -> Error | None:
    """An error as the library puts it: {kind, message, retryable, details}."""
    if said is None:
        return None
    return Error(
        said.get("kind", INTERNAL),
        said.get("message", ""),
        retryable=said.get("retryable"),
        details=said.get("details"),
    )
