"""Heartbeats that come after what their activity published: where the next attempt goes on, the stream has everything before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from runtime import limits
from runtime.contracts import ActivityPort, OutletPort
from runtime.payload import Payload


class HeartbeatsAfterStreams:
    """The activity of a Python function. A heartbeat of a thread waits for the store; one in the loop is sent when the store has what came before it."""

    def __init__(self, activity: ActivityPort, outlet: OutletPort, loop: asyncio.AbstractEventLoop) -> None:
        self._activity, self._outlet = activity, outlet
        self._loop, self._thread = loop, threading.get_ident()
        self._details: Any = None
        self._sending: asyncio.Task[None] | None = None

    @property
    def info(self) -> Mapping[str, Any]:
        return self._activity.info

    @property
    def idempotency_key(self) -> str:
        return self._activity.idempotency_key

    def is_canceled(self) -> bool:
        return self._activity.is_canceled()

    def heartbeat(self, details: Any) -> None:
        if self._sending is None and self._outlet.is_kept:
            self._activity.heartbeat(details)
            return
        limits.check_size("the details of a heartbeat", [Payload.of(details)])
        if threading.get_ident() == self._thread:
            self._details = details
            self._sending = self._sending or asyncio.create_task(self._send())
        else:
            asyncio.run_coroutine_threadsafe(self._outlet.kept(), self._loop).result()
            self._activity.heartbeat(details)

    async def sent(self) -> None:
        """Returns when no heartbeat waits any more."""
        if self._sending is not None:
            await self._sending

    async def _send(self) -> None:
        await self._outlet.kept()
        self._sending = None
        self._activity.heartbeat(self._details)
