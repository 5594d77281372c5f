"""Calls to the shop's services from Python, from an activity or from the consumer of a queue: idempotent, and with the service's own errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from evermoon import current
from evermoon.errors import INTERNAL, NOT_FOUND, UNAVAILABLE, Error

TIMEOUT = 25.0  # seconds; below the activities' start-to-close, so that the failure says more than "timed out"
HEARTBEAT = 1.0  # seconds


async def post(variable: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Posts `body` to `path` of the service whose URL the environment variable `variable` holds; its answer.

    All attempts of one activity, or at one message, carry the same key, so the service acts once however often it is asked. Raises the
    error the service answers with, whose `details.attempt` says which attempt met it.
    """
    key, attempt = _attempt()
    url = current().environ.get(variable)
    if not url:
        raise Error(NOT_FOUND, f"the environment variable {variable} has no value", retryable=False)
    headers = {"X-Idempotency-Key": key}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as client,
            client.post(url + path, json=body, headers=headers) as response,
        ):
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Error(UNAVAILABLE, f"{path}: {error or type(error).__name__}") from error
    if response.status >= 300:
        raise _refusal(response.status, answer, attempt)
    return dict(answer)


def _attempt() -> tuple[str, int]:
    """What all attempts share, and which of them this is."""
    activity, message = current().activity, current().message
    if activity is not None:
        return activity.idempotency_key, activity.info["attempt"]
    if message is not None:
        return message.id, message.attempt
    raise Error(INTERNAL, "this function runs as an activity or for a message only", retryable=False)


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Tells Temporal every second that the work goes on: when its worker dies, the next attempt starts soon after."""

    async def beat() -> None:
        activity = current().activity
        while activity is not None:
            activity.heartbeat(None)
            await asyncio.sleep(HEARTBEAT)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def _refusal(status: int, problem: Any, attempt: int) -> Error:
    if not isinstance(problem, dict) or "kind" not in problem:
        return Error(UNAVAILABLE, f"unexpected answer, status {status}")
    details = {**problem.get("details", {}), "attempt": attempt}
    return Error(str(problem["kind"]), str(problem["detail"]), retryable=problem["retryable"], details=details)
