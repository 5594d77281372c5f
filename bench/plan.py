"""What a run of the bench was asked for, and how a row goes through its rounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from bench.result import Result
from bench.stats import shuffled
from bench.workers import EVERMOON, SB, TS, UN, Worker, side

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
    """`names` are the contestants there are. `rounds`: None is what `quick` says."""

    directory: Path
    seed: int
    names: Sequence[str]
    quick: bool
    tell: Tell
    stack: AsyncExitStack
    rounds: int | None = None
    _workers: list[Worker] = field(default_factory=list)
    _used: int = 0

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def among(self, *names: str) -> list[str]:
        """Those of these contestants that there are."""
        return [name for name in names if name in self.names]

    async def interleaved(
        self, names: Sequence[str], once: Callable[[str], Awaitable[float]], rounds: int | None = None
    ) -> Mapping[str, list[float]]:
        """A value of each name in every round, in shuffled order, after a round that does not count: caches fill, code is compiled."""
        count = rounds or self.rounds or self.size(11, 5)
        self._used += 1
        values: dict[str, list[float]] = {name: [] for name in names}
        for number, order in enumerate(shuffled(names, count + 1, self.seed + self._used)):
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
