"""What runs on the GPU workers: model A finds how an answer begins, model B writes it, and a small batch at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel, Field

from entries.inference import model
from entries.inference.engine import ENGINE, Job
from evermoon import current, stream

HEARTBEAT = 1.0  # seconds


class Prompt(BaseModel):
    prompt: str
    seed: str
    max_tokens: int = Field(ge=1, le=4096)


class Writing(Prompt):
    opening: list[str]


async def outline(prompt: Prompt) -> dict[str, Any]:
    """Model A: the words that the answer begins with."""
    async with heartbeats(lambda: None):
        await ENGINE.load()
        return {"opening": model.opening(prompt.prompt)}


async def write(writing: Writing) -> dict[str, Any]:
    """Model B: the tokens of the answer, each published when it is there. An attempt goes on with what the one before had."""
    job = Job(writing.prompt, writing.seed, writing.opening, writing.max_tokens, _before() or [])
    _tell("began", job)
    try:
        async with heartbeats(lambda: job.tokens):
            async for _ in ENGINE.write([job], _attempt()):
                stream.publish("tokens", job.tokens[-1], position=len(job.tokens))
    except BaseException:
        _tell("stopped", job)
        raise
    _tell("finished", job)
    reason = "stop" if model.ends_sentence(job.tokens[-1]) else "length"
    return {"tokens": job.tokens, "finish_reason": reason, "attempts": _attempt()}


async def write_all(prompts: list[Prompt]) -> list[str]:
    """Model B for a batch that nobody watches, side by side: a text for each prompt."""
    before = _before() or [[] for _ in prompts]
    jobs = [
        Job(prompt.prompt, prompt.seed, model.opening(prompt.prompt), prompt.max_tokens, tokens)
        for prompt, tokens in zip(prompts, before, strict=True)
    ]
    async with heartbeats(lambda: [job.tokens for job in jobs]):
        async for _ in ENGINE.write(jobs, _attempt()):
            pass
    return ["".join(job.tokens) for job in jobs]


@asynccontextmanager
async def heartbeats(progress: Callable[[], Any]) -> AsyncIterator[None]:
    """Tells Temporal each second how far the work has come, and once more when it ends: the next attempt begins there.

    The answers to these heartbeats are how a cancellation comes to this process.
    """

    async def beat() -> None:
        while True:
            _heartbeat(progress())
            await asyncio.sleep(HEARTBEAT)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        _heartbeat(progress())


def _heartbeat(details: Any) -> None:
    if activity := current().activity:
        activity.heartbeat(details)


def _before() -> Any:
    """What the last attempt told with its last heartbeat."""
    activity = current().activity
    return activity.info.get("heartbeat_details") if activity else None


def _attempt() -> int:
    activity = current().activity
    return int(activity.info["attempt"]) if activity else 1


def _tell(what: str, job: Job) -> None:
    """For operators: which process is at it, and where. It counts for no client, so it has no position."""
    stream.publish("engine", {"what": what, "process": os.getpid(), "attempt": _attempt(), "tokens": len(job.tokens)})
