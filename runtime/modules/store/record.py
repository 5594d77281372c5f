"""What a store holds, and what every kind of store says no to, and in the same words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import Error, already_exists, conflict, limit_exceeded
from runtime.payload import Payload


@dataclass(frozen=True, slots=True)
class Record:
    """`version` grows with every change of a key, also across its deletion; `expires` is in Unix milliseconds."""

    key: str
    value: Payload
    version: int
    expires: int | None

    def is_expired(self) -> bool:
        return self.expires is not None and self.expires <= now_ms()


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """`if_version` 0 stands for a key that is not there."""

    only_if_absent: bool = False
    if_version: int | None = None


class StoreBackend(Protocol):
    """Where a store keeps its records. Each call is atomic; expired records are never seen. Keys are in order of their bytes."""

    async def get(self, key: str) -> Record | None: ...
    async def put(self, key: str, value: Payload, ttl_ms: int | None, condition: WriteCondition) -> Record: ...
    async def delete(self, key: str) -> bool: ...
    async def list(self, prefix: str, after: str, limit: int) -> list[Record]: ...
    async def size(self) -> int: ...
    async def sweep(self) -> None: ...


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def next_version(found: Record | None) -> int:
    """Microseconds of the clock, so that a key that was deleted does not come back under a version it had."""
    now = time.time_ns() // 1000
    return now if found is None else max(found.version + 1, now)


def refusal(key: str, found: Record | None, condition: WriteCondition) -> Error | None:
    """The error of a put whose condition does not hold."""
    if condition.only_if_absent and found is not None:
        return already_exists(f"key {key!r} exists", version=found.version)
    version = found.version if found else 0
    if condition.if_version is not None and condition.if_version != version:
        return conflict(f"key {key!r} is at version {version}, not {condition.if_version}", version=version)
    return None


def full(store_id: str, max_size: int) -> Error:
    return limit_exceeded(f"{store_id} holds {max_size} keys, as many as it may")
