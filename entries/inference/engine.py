"""The engine of the GPU workers. It stands in for a real one: slow to start, sometimes out of memory, one token after another.

What it writes is real, see `model.py`; what it makes one wait for is set by the environment.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from entries.inference import model
from evermoon import Error, current

OUT_OF_MEMORY = "OutOfMemory"
ONE_IN = 6  # attempts that run out of memory
FAILS_AFTER = 5  # rounds


@dataclass
class Job:
    """One text to write. `tokens` are there already: written by an attempt before, or none."""

    prompt: str
    seed: str
    opening: list[str]
    max_tokens: int
    tokens: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """A text ends with a sentence, in the last quarter of what is allowed, or where that is used up."""
        written = len(self.tokens)
        stops = written * 4 >= self.max_tokens * 3 and model.ends_sentence(self.tokens[-1])
        return stops or written >= self.max_tokens


class Engine:
    """The models of one process. Loading them takes a while, once; whoever comes meanwhile waits as well."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()
        self._is_loaded = False

    async def load(self) -> None:
        async with self._loading:
            if not self._is_loaded:
                await asyncio.sleep(_seconds("INFERENCE_COLD_START", 2.0))
                self._is_loaded = True

    async def write(self, jobs: Sequence[Job], attempt: int) -> AsyncIterator[None]:
        """Writes all of them, side by side: each round adds a token to each that is not over. Raises `Error` OutOfMemory, as it comes."""
        await self.load()
        pause = _seconds("INFERENCE_TOKEN", 0.04)
        rounds = 0
        while unfinished := [job for job in jobs if not job.is_over]:
            if rounds == FAILS_AFTER and runs_out(jobs[0].prompt, attempt):
                raise Error(OUT_OF_MEMORY, f"out of memory in round {rounds}", retryable=True)
            await asyncio.sleep(pause)
            for job in unfinished:
                job.tokens.append(model.token(job.seed, job.opening, job.tokens))
            rounds += 1
            yield


#: What all activities of this process share, as they share its GPU.
ENGINE = Engine()


def runs_out(prompt: str, attempt: int) -> bool:
    """Whether this attempt at the prompt runs out of memory: for some prompts it does, and the next attempt is another matter."""
    return zlib.crc32(f"{prompt}/{attempt}".encode()) % ONE_IN == 0


def _seconds(variable: str, usual: float) -> float:
    return float(current().environ.get(variable) or usual)
