"""What a run of the bench was asked for, and how a row goes through its rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench.contestants.process import Process, python, started
from bench.result import Result
from bench.stats import shuffled
from bench.workers import EVERMOON, SB, TS, UN, Worker, parked, side

#: `tell(text)`: what is being done right now, for people who wait.
Tell = Callable[[str], None]


class Row(Protocol):
    """One thing that is measured. Its docstring says what is measured, and what is not."""

    name: ClassVar[str]
    quick: ClassVar[bool]
    """Whether `--quick` has it."""

    async def measure(self, plan: Plan) -> list[Result]: ...


@dataclass
class Plan:
    """`names` are the contestants there are. `rounds`: None is what `quick` says. `notes` say what could not be measured."""

    directory: Path
    seed: int
    names: Sequence[str]
    quick: bool
    tell: Tell
    stack: AsyncExitStack
    rounds: int | None = None
    notes: list[str] = field(default_factory=list)
    failed: bool = False
    """Whether something was measured that may not be."""
    _workers: list[Worker] = field(default_factory=list)
    _alone: dict[str, Process] = field(default_factory=dict)
    _histories: dict[tuple[str, ...], str] = field(default_factory=dict)
    _used: int = 0

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def fail(self, why: str) -> None:
        self.failed = True
        self.notes.append(why)

    def among(self, *names: str) -> list[str]:
        """Those of these contestants that there are."""
        return [name for name in names if name in self.names]

    async def interleaved(
        self,
        names: Sequence[str],
        once: Callable[[str], Awaitable[float]],
        rounds: int | None = None,
        *,
        warm: bool = True,
    ) -> Mapping[str, list[float]]:
        """A value of each name in every round, in shuffled order, after a round that does not count (with `warm`): caches fill, code is compiled."""
        count = rounds or self.rounds or self.size(11, 3)
        self._used += 1
        values: dict[str, list[float]] = {name: [] for name in names}
        for number, order in enumerate(shuffled(names, count + warm, self.seed + self._used), 1 - warm):
            for name in order:
                self.tell(f"round {number} of {count}: {name}")
                value = await once(name)
                if number:
                    values[name].append(value)
        return values

    async def workers(self) -> dict[str, Worker]:
        """One of each contestant on one server, for the rows that leave nothing behind; started once."""
        if not self._workers:
            self.tell("starting workers")
            one = await self.stack.enter_async_context(side(self.directory / "shared"))
            self._workers = await one.workers(self.among(EVERMOON, UN, SB, TS))
        return {worker.name: worker for worker in self._workers}

    async def alone(self, name: str) -> Process:
        """The contestant without a server; started once."""
        if name not in self._alone:
            command = python("alone", name, str(self.directory / "shared"))
            self._alone[name] = await self.stack.enter_async_context(started(name, command))
        return self._alone[name]

    async def history(self, name: str, workflow: str, *args: Any, ends: bool = True) -> str:
        """The file of a history that this contestant's own worker made of the workflow, to its end or until it first waits."""
        key = (name, workflow, *map(str, args))
        if key not in self._histories:
            self.tell(f"recording {workflow} of {name}")
            worker = (await self.workers())[name]
            handle = await worker.start(workflow, *args)
            await (handle.result() if ends else parked([handle]))
            file = self.directory / f"{'-'.join(key)}.json"
            file.write_text((await handle.fetch_history()).to_json())
            self._histories[key] = str(file)
        return self._histories[key]

    async def histories(self, names: Sequence[str], workflow: str, *args: Any, ends: bool = True) -> dict[str, str]:
        """As `history`, of several contestants at once."""
        await self.workers()
        files = await asyncio.gather(*(self.history(name, workflow, *args, ends=ends) for name in names))
        return dict(zip(names, files, strict=True))
