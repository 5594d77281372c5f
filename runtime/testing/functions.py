"""The process host of a virtual world: functions and processes as on every host, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from runtime.contracts import NO_TRIGGER, LinkedWorkflows, Trigger
from runtime.lua.program import Programs
from runtime.lua.protocol import Command
from runtime.modules.stream.memory import MemoryStreams
from runtime.modules.stream.streams import Streams
from runtime.payload import Payload
from runtime.principal import ANYBODY, Caller
from runtime.process.command_handlers import OPERATIONS
from runtime.process.command_runner import CommandRunner
from runtime.process.host import ProcessHost
from runtime.process.host_port import LogPort
from runtime.process.python_run import PythonFunction
from runtime.process.threads import Then, Threads
from runtime.registry import FunctionPy, Registry
from runtime.testing.clock import VirtualClock, VirtualLoop

T = TypeVar("T")

#: Commands of modules that wait for others in the same world, not for what is outside of it.
_INSIDE = ("activity.", "events.", "queue.", "stream.")

#: Answers a call in place of the entry, or gives None where nobody does.
StandIn = Callable[[str, Sequence[Payload], Caller], "asyncio.Future[Payload] | None"]


class VirtualProcessHost(ProcessHost):
    """The process host on a virtual loop. `stand_in` is asked before a function is run."""

    def __init__(
        self,
        registry: Registry,
        programs: Programs,
        *,
        workflows: LinkedWorkflows,
        log: LogPort,
        clock: VirtualClock,
        loop: VirtualLoop,
        stand_in: StandIn,
    ) -> None:
        self.published = MemoryStreams()
        streams = Streams(registry, workflows.position, given=self.published, interval=0)
        super().__init__(registry, programs, workflows=workflows, streams=streams, node="test", log=log)
        self.now = lambda: clock.now
        self.threads = _Here()
        self.command_runner = _Runner
        self.loop = loop
        self._stand_in = stand_in

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
        answer = self._stand_in(entry_id, args, caller)
        if answer is not None:
            return await answer
        return await super().call(entry_id, args, caller=caller, trigger=trigger, timeout=timeout, former=former)

    def load(self, entry: FunctionPy) -> PythonFunction:
        return _Function(entry, self.loop)


class _Here(Threads):
    """No threads: a step is taken where it is asked for, so that everything has one order."""

    def begin(self, work: Callable[..., T], *args: Any, then: Then) -> None:
        loop = asyncio.get_running_loop()
        try:
            value = work(*args)
        except BaseException as error:
            loop.call_soon(then, None, error)
        else:
            loop.call_soon(then, value, None)

    def submit(self, work: Callable[[], object]) -> None:
        work()

    async def close(self) -> None:
        pass


class _Function(PythonFunction):
    """A Python function whose work holds the clock."""

    def __init__(self, entry: FunctionPy, loop: VirtualLoop) -> None:
        super().__init__(entry.id, entry.load(), entry.root)
        self._loop = loop

    async def run(self, args: Sequence[Payload]) -> Payload:
        with self._loop.working():
            return await super().run(args)


class _Runner(CommandRunner):
    """A runner of commands where those that go outside hold the clock."""

    async def _outcome(self, command: Command) -> Any:
        if command.op in OPERATIONS or command.op.startswith(_INSIDE):
            return await super()._outcome(command)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        with loop.working():
            return await super()._outcome(command)
