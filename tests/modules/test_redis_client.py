"""Questions to a Redis server: what is told of one that does not answer, and that a cancellation is heard."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from runtime.errors import INVALID, UNAVAILABLE, Error
from runtime.modules.redis_client import asked, redis_client


async def test_a_server_that_is_not_there_is_told_with_its_entry() -> None:
    client = redis_client("app:kept", "redis://:secret@127.0.0.1:1")
    with pytest.raises(Error, match="app:kept: Redis does not answer") as away:
        async with asked("app:kept"):
            await client.ping()
    assert away.value.kind == UNAVAILABLE
    assert "secret" not in away.value.message


def test_what_is_no_url_is_refused_without_saying_it() -> None:
    with pytest.raises(Error, match="app:kept: not the URL of a Redis server") as refused:
        redis_client("app:kept", "postgres://:secret@host")
    assert refused.value.kind == INVALID
    assert "secret" not in refused.value.message


async def test_a_cancellation_that_the_client_loses_is_heard() -> None:
    asking, went_on = asyncio.Event(), False

    async def question() -> None:
        nonlocal went_on
        async with asked("app:kept"):
            with suppress(asyncio.CancelledError):
                asking.set()
                await asyncio.Event().wait()
        went_on = True

    task = asyncio.create_task(question())
    await asking.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not went_on
