"""Runs that a test starts and drives: entries of the registry whose calls the test itself may answer.

The test library reaches this through functions of namespace ``evermoon.test``. Each answers how the run stands:
``{state, asked?, value?, error?}``, where `asked` is a call that the test has to answer before anything else goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from runtime.errors import CANCELED, INTERNAL, Error
from runtime.lua import protocol
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.registry import Foreign, Registry
from runtime.registry.foreign import check_input, unfit_result
from runtime.testing.lua_files import NAMESPACE
from runtime.testing.registry_host import RegistryHost
from runtime.testing.virtual import child_pid, ends


class MockedHost(RegistryHost):
    """A host that puts calls of `mocked` ids into `asked` instead of carrying them out."""

    def __init__(
        self, registry: Registry, programs: Programs, entry_id: str, mocked: Sequence[str], **options: Any
    ) -> None:
        self.mocked = frozenset(mocked)
        self.asked: list[protocol.Command] = []
        super().__init__(registry, programs, entry_id, **options)

    def _answer(self, command: protocol.Command, seq: int) -> None:
        if command.op in ("call", "exec", "spawn") and command.data["id"] in self.mocked:
            error = self._unfit(command)
            if error is not None:
                self._inbox.append(protocol.failure(seq, error))
                return
            self.asked.append(command)
            if command.op == "spawn":
                self._inbox.append(protocol.result(seq, Payload.of(child_pid(command))))
        else:
            super()._answer(command, seq)

    @property
    def asks(self) -> bool:
        """Whether a call has to be answered by the test; those given up meanwhile do not."""
        self.asked = [command for command in self.asked if command.seq not in self._waiting.cancelled]
        return bool(self.asked)

    def _unfit(self, command: protocol.Command) -> Error | None:
        """What is wrong with the arguments for somebody elsewhere, whose mock is not even asked then."""
        entry = self._registry.get(command.data["id"])
        try:
            if isinstance(entry, Foreign):
                check_input(entry, command.args)
        except Error as error:
            return error
        return None

    def reply(self, command: protocol.Command, value: Any, error: Error | None) -> None:
        seq, entry = command.seq or 0, self._registry.get(command.data["id"])
        if error is None and isinstance(entry, Foreign):
            error = unfit_result(entry, Payload.of(value))
        if command.op == "spawn":
            self.feed(*ends(command, self.now, error if error is not None else Payload.of(value)))
        elif error is not None:
            self.feed(protocol.failure(seq, error))
        else:
            self.feed(protocol.result(seq, Payload.of(value)))

    def next_timer(self, until: int | None = None) -> bool:
        """Fires the next timer, if there is one (by the moment `until`, in nanoseconds)."""
        return (until is None or self._due(until)) and self._next_timer()


class MockedRuns:
    """The runs of one test case."""

    def __init__(self, registry: Registry, programs: Programs) -> None:
        self._registry = registry
        self._programs = programs
        self._runs: list[MockedHost] = []
        self._open: dict[int, protocol.Command] = {}
        self._until: dict[int, int] = {}

    def stands(self) -> dict[str, Callable[..., Any]]:
        """What answers the library's functions, by id."""
        ways = (self.start, self.answer, self.finish, self.send, self.cancel, self.advance, self.query, self.update)
        return {f"{NAMESPACE}:{way.__name__}": way for way in ways}

    def close(self) -> None:
        for run in self._runs:
            run.close()

    def start(self, _host: RegistryHost, entry: str, args: Sequence[Any], mocked: Sequence[str], context: Any) -> Any:
        run = MockedHost(self._registry, self._programs, entry, mocked, context=context or {})
        self._runs.append(run)
        run.start(*args)
        return {**self._standing(len(self._runs)), "run": len(self._runs), "pid": run.pid}

    def answer(self, _host: RegistryHost, run: int, value: Any, error: Any = None) -> Any:
        self._runs[run - 1].reply(self._open.pop(run), value, _error(error))
        return self._pass(run)

    def finish(self, _host: RegistryHost, run: int) -> Any:
        """Lets time pass until the run ends, asks, or waits for what no timer brings."""
        host = self._runs[run - 1]
        while host.final is None and not host.asks and host.next_timer():
            pass
        return self._standing(run)

    def send(self, _host: RegistryHost, run: int, topic: str, args: Sequence[Any]) -> Any:
        self._runs[run - 1].send(topic, *args)
        return self._standing(run)

    def cancel(self, _host: RegistryHost, run: int, reason: str) -> Any:
        self._runs[run - 1].cancel(reason)
        return self._standing(run)

    def advance(self, _host: RegistryHost, run: int, nanoseconds: int) -> Any:
        """Lets time pass; it stands still while the run waits for the test's answer, and goes on with `answer`."""
        self._until[run] = self._runs[run - 1].now + nanoseconds
        return self._pass(run)

    def query(self, _host: RegistryHost, run: int, name: str, args: Sequence[Any]) -> Any:
        return self._runs[run - 1].query(name, *args)

    def update(self, _host: RegistryHost, run: int, name: str, args: Sequence[Any]) -> Any:
        return self._runs[run - 1].update(name, *args)

    def _pass(self, number: int) -> dict[str, Any]:
        host, until = self._runs[number - 1], self._until.get(number)
        if until is not None:
            while host.final is None and not host.asks and host.next_timer(until):
                pass
            if host.final is not None or not host.asks:
                host.now = max(host.now, self._until.pop(number))
        return self._standing(number)

    def _standing(self, number: int) -> dict[str, Any]:
        run = self._runs[number - 1]
        if run.final is None and run.asks:
            asked = self._open[number] = run.asked.pop(0)
            return {"state": "asks", "asked": {"id": asked.data["id"], "args": [arg.value() for arg in asked.args]}}
        if run.final is None:
            return {"state": "running"}
        try:
            return {"state": "done", "value": run.outcome()}
        except Error as error:
            return {"state": "canceled" if error.kind == CANCELED else "failed", "error": error.to_wire()}


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
