"""Clients of Redis servers, for the entries that keep what they have there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.errors import invalid, unavailable

#: Seconds until a server that does not answer is given up.
_TIMEOUT = 5.0


def redis_client(entry: str, url: str) -> Any:
    """The client of an entry, typed as little as redis-py types its answers. Raises `Error` INVALID, without the URL, which may hold a password. Does not connect yet."""
    try:
        return Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
    except ValueError as error:
        raise invalid(f"{entry}: not the URL of a Redis server ({type(error).__name__})") from None


@asynccontextmanager
async def asked(entry: str) -> AsyncIterator[None]:
    """Every question to the server. Raises `Error` UNAVAILABLE when it does not answer.

    Before Python 3.12 `asyncio.wait_for`, by which redis-py sends, takes no notice of a cancellation in the moment in which it is done;
    whoever waits without end would go on for ever.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except (RedisError, OSError) as error:
        raise unavailable(f"{entry}: Redis does not answer: {error}", entry=entry) from None
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError
