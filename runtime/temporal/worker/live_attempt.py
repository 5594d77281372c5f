"""What happens to an attempt of an activity, told to those who follow its run while it happens: history tells when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import Payload as Proto
from temporalio.exceptions import ApplicationError

from runtime.errors import Error
from runtime.modules.stream.queue import PublishTarget
from runtime.modules.stream.streams import Streams
from runtime.temporal import wire

#: Seconds after which an attempt is told of: of one that is over sooner, history tells at once.
SOON = 0.5
#: Seconds between two heartbeats that are told.
EVERY = 1.0


class LiveAttempt:
    """The attempt that is running. A local activity has none: it is part of a workflow task."""

    def __init__(self, streams: Streams, headers: Mapping[str, Proto]) -> None:
        info = activity.info()
        self._streams, self._info = streams, info
        run_id, chain = info.workflow_run_id or "", wire.read_header(headers, wire.CHAIN)
        self._target = PublishTarget(info.workflow_id or "", run_id, chain=chain or run_id)
        self._source = f"{run_id}/{info.activity_id}"
        self._about = {
            "run_id": run_id,
            "activity": info.activity_type,
            "activity_id": info.activity_id,
            "attempt": info.attempt,
        }
        self._heard = 0.0
        self._soon: asyncio.TimerHandle | None = None
        if run_id and not info.is_local:
            streams.queue.begin()
            self._soon = asyncio.get_running_loop().call_later(SOON, self._started)

    def heartbeat(self, details: Any) -> None:
        """From any thread."""
        now = time.monotonic()
        if self._soon is not None and now - self._heard >= EVERY:
            self._heard = now
            self._tell("step.heartbeat", time.time_ns() // 1_000_000, progress=details)

    def failed(self, error: Error, raised: BaseException) -> None:
        """`raised` is what the server hears of it. Tells when it is tried again, if it is."""
        at = _tried_again(self._info, raised) if self._soon is not None else None
        if at is not None:
            self._tell("step.retrying", self._info.attempt, error=error.to_wire(), next_retry_at=_text(at))

    def end(self) -> None:
        if self._soon is not None:
            self._soon.cancel()

    def _started(self) -> None:
        self._tell("step.started", self._info.attempt)

    def _tell(self, event: str, position: int, **about: Any) -> None:
        self._streams.tell(self._target, self._source, event, {**self._about, **about}, position)


def _tried_again(info: activity.Info, raised: BaseException) -> datetime | None:
    """When the server makes the next attempt; None when it makes none."""
    policy = info.retry_policy
    if policy is None or not isinstance(raised, ApplicationError) or raised.non_retryable:
        return None
    if raised.type in (policy.non_retryable_error_types or ()):
        return None
    if policy.maximum_attempts and info.attempt >= policy.maximum_attempts:
        return None
    at = datetime.now(UTC) + (raised.next_retry_delay or _pause(policy, info.attempt))
    whole = info.schedule_to_close_timeout
    return None if whole and at > info.scheduled_time + whole else at


def _pause(policy: Any, attempt: int) -> timedelta:
    longest = policy.maximum_interval or policy.initial_interval * 100
    grown = policy.initial_interval.total_seconds() * policy.backoff_coefficient ** min(attempt - 1, 64)
    return timedelta(seconds=min(grown, longest.total_seconds()))


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
