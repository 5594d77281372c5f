"""A function or a process that a test starts by itself, with the same controls as a run of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from runtime.contracts import StartRequest
from runtime.errors import Error, internal, invalid
from runtime.modules.options import activity_options
from runtime.payload import NOTHING, Payload
from runtime.principal import Caller
from runtime.process.task_queues import stored
from runtime.registry import ActivityEntry, ProcessLua
from runtime.testing.attempts import Scheduled
from runtime.testing.calls import queue_named
from runtime.testing.children import Outcome
from runtime.testing.world import World


class FunctionRun:
    """A function as a workflow would call it where it is an activity, else as another function would; a process on its default host."""

    def __init__(self, world: World, entry: ActivityEntry, caller: Caller) -> None:
        self.world, self.pid = world, ""
        self._entry, self._caller = entry, caller
        self._outcome: Outcome | None = None

    @property
    def is_over(self) -> bool:
        return self._outcome is not None

    def start(self, *args: Any) -> None:
        self.world.begin(self._run([Payload.of(arg) for arg in args]))
        self.world.settle()
        self.pid = next(iter(self.world.functions.running), "")

    def outcome(self) -> Any:
        """Its value. Raises its `Error`, and INVALID for one that still runs."""
        if self._outcome is None:
            raise invalid("the execution has not ended")
        if isinstance(self._outcome, Error):
            raise self._outcome
        return self._outcome.value()

    def send(self, topic: str, *args: Any, sender: str = "") -> None:
        self.world.functions.send(self.pid, topic, [Payload.of(arg) for arg in args], sender)
        self.world.settle()

    def cancel(self, reason: str = "") -> None:
        self.world.functions.cancel(self.pid, reason)
        self.world.settle()

    def query(self, name: str, *args: Any) -> NoReturn:
        raise invalid(f"{self._entry.id} is no workflow: only workflows answer queries and updates")

    def begin_update(self, name: str, args: Sequence[Payload], told: Callable[[Outcome], None]) -> NoReturn:
        self.query(name)

    def close(self) -> None:
        self.world.close()

    async def _run(self, args: Sequence[Payload]) -> None:
        try:
            self._outcome = await self._value(args)
        except Error as error:
            self._outcome = error
        except Exception as error:
            self._outcome = internal(f"the host failed at {self._entry.id}")
            self._outcome.__cause__ = error

    async def _value(self, args: Sequence[Payload]) -> Payload:
        entry, functions = self._entry, self.world.functions
        if isinstance(entry, ProcessLua):
            execution = functions.spawn(StartRequest(entry.id, args, caller=self._caller))
            await execution.ended()
            return execution.result()
        if entry.activity is not None:
            return await self.world.schedule(self._scheduled(args)).outcome()
        return await functions.call(entry.id, args, caller=self._caller) or NOTHING

    def _scheduled(self, args: Sequence[Payload]) -> Scheduled:
        entry = self._entry
        assert entry.activity is not None
        run = {
            "workflow_id": "virtual",
            "run_id": "virtual",
            "workflow_pid": self._caller.sender or "{test:worker|virtual}",
            "workflow_type": "evermoon.test:run",
            "task_queue": queue_named(self.world.registry, entry.activity.worker),
        }
        return Scheduled(
            entry.id,
            "1",
            args,
            self._caller,
            activity_options(entry.options),
            run,
            is_local=entry.activity.local,
            stored=stored(self.world.registry, entry.activity.worker),
        )
