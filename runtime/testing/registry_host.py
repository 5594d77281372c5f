"""A virtual host whose functions and children are the registry's own, each run to its end on a virtual host of its own.

They take their time here, too: the result comes when the clock gets there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from runtime.errors import unavailable
from runtime.lua import protocol
from runtime.lua.program import Programs
from runtime.modules.options import workflow_options
from runtime.modules.security.module import ANSWERS
from runtime.payload import Payload
from runtime.process.authorization import check, of_pid
from runtime.process.pids import no_process
from runtime.process.task_queues import check_host
from runtime.registry import (
    ActivityEntry,
    Foreign,
    FunctionPy,
    Registry,
    StartableWorkflow,
    TemporalActivity,
    WorkflowLua,
)
from runtime.testing.virtual import Mock, VirtualHost, child_pid

#: What stands in for a function: the calling host and the arguments, as Python values.
Stand = Callable[..., Any]


class RegistryHost(VirtualHost):
    """A virtual host that runs entry `entry_id` of `registry`.

    `given` maps ids to what answers in their place, called with this host and the arguments. A workflow finds only the
    functions that are activities, as on Temporal. `options` are those of `VirtualHost`.
    """

    def __init__(
        self,
        registry: Registry,
        programs: Programs,
        entry_id: str,
        *,
        given: Mapping[str, Stand] | None = None,
        **options: Any,
    ) -> None:
        self._registry = registry
        self._programs = programs
        self._given = dict(given or {})
        self._late: dict[int, list[protocol.Event]] = {}
        self._took = 0
        info = {"workflow_type": entry_id, "workflow_id": "virtual", "run_id": "virtual", "attempt": 1}
        options.setdefault("info", info)
        super().__init__(
            programs.get(entry_id),
            functions=dict.fromkeys([*self._given, *self._callable()], _unused),
            children={entry.id: _unused for entry in registry.entries.values() if isinstance(entry, StartableWorkflow)},
            **options,
        )

    def _callable(self) -> list[str]:
        entries = self._registry.entries.values()
        here = [entry.id for entry in entries if isinstance(entry, ActivityEntry) and entry.activity is not None]
        return [*here, *(entry.id for entry in self._registry.of_kind(TemporalActivity))]

    def _answer(self, command: protocol.Command, seq: int) -> None:
        before = len(self._inbox)
        self._took = 0
        super()._answer(command, seq)
        if self._took:
            # A child has started at once; what it took comes before its end.
            keep = before + (1 if command.op == "spawn" else 0)
            self._late[seq], self._inbox = self._inbox[keep:], self._inbox[:keep]
            heapq.heappush(self._waiting.timers, (self.now + self._took, seq))

    def _next_timer(self) -> bool:
        timers = self._waiting.timers
        while timers and timers[0][1] in self._waiting.cancelled:
            heapq.heappop(timers)
        if not timers or timers[0][1] not in self._late:
            return super()._next_timer()
        at, seq = heapq.heappop(timers)
        self.now = max(self.now, at)
        self._inbox.extend(self._late.pop(seq))
        self._settle()
        return True

    def _reach(self, command: protocol.Command, to: str) -> None:
        if to != self.pid and not any(child_pid(child) == to for child in self._delayed.values()):
            raise no_process(to)
        super()._reach(command, to)

    def _value(self, command: protocol.Command) -> Any:
        check(self._registry, self.principal, command, of_pid)
        if command.op.startswith("security."):
            return ANSWERS[command.op](self._registry, self.principal, command.data)
        return super()._value(command)

    def _check_child(self, command: protocol.Command) -> None:
        check(self._registry, self.principal, command, of_pid)
        super()._check_child(command)
        if command.data.get("host"):
            check_host(self._registry, command.data["id"], command.data["host"])

    def _child_options(self, command: protocol.Command) -> Mapping[str, Any]:
        entry = self._registry.get(command.data["id"])
        own = workflow_options(entry.options) if isinstance(entry, StartableWorkflow) else {}
        return {**own, **super()._child_options(command)}

    def _mocked(self, mocks: Mapping[str, Mock], command: protocol.Command) -> Any:
        entry_id = command.data["id"]
        stand = self._given.get(entry_id)
        if stand is not None:
            return stand(self, *(arg.value() for arg in command.args))
        if entry_id not in mocks:
            return super()._mocked(mocks, command)
        entry = self._registry[entry_id]
        if isinstance(entry, Foreign):
            raise unavailable(f"{entry_id} runs elsewhere, as {entry.type}: give the test a mock of it", id=entry_id)
        if isinstance(entry, FunctionPy):
            return entry.load()(*(arg.value() for arg in command.args))
        kind = "workflow" if isinstance(entry, WorkflowLua) else "activity"
        result = self._run_to_end(kind, entry_id, command)
        return result.value() if command.op == "spawn" else result

    def _run_to_end(self, kind: str, entry_id: str, command: protocol.Command) -> Payload:
        """The result of an execution on a host of its own. Raises its `Error`."""
        args, now = command.args, self.now
        first = [_message(item, self.pid, now) for item in command.data.get("messages") or ()]
        while True:
            host = RegistryHost(
                self._registry, self._programs, entry_id, given=self._given, kind=kind,
                principal=self.principal.changed_by(command.data), context=command.data.get("ctx") or {}, now=now, pid=f"{{{entry_id}|{self.pid}/{command.seq}}}",
            )  # fmt: skip
            try:
                host.feed(protocol.start(args), *first)
                while host.final is None and host._next_timer():
                    pass
                self._took, now, final = host.now - self.now, host.now, host.final
                host.outcome()
            finally:
                host.close()
            if final is None or final.continuation is None:
                return final.value if final is not None and final.value is not None else Payload.of(None)
            entry_id = final.continuation.get("id") or entry_id
            args, first = final.continuation["args"], protocol.unread(final.continuation)


def _message(item: Mapping[str, Any], sender: str, now: int) -> protocol.Event:
    return protocol.message(item["topic"], item.get("from") or sender, item["args"], now)


def _unused(*_args: Any) -> Any:
    raise AssertionError("functions and children of a RegistryHost are entries")
