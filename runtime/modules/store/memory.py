"""A key-value store in the host's memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from runtime.modules.store.record import Record, WriteCondition, full, next_version, now_ms, refusal
from runtime.payload import Payload


class MemoryBackend:
    """Every method runs in the loop without a pause, so each is atomic by itself."""

    def __init__(self, store_id: str, max_size: int) -> None:
        self._id = store_id
        self._max_size = max_size
        self._records: dict[bytes, Record] = {}
        self._order: list[bytes] = []

    async def get(self, key: str) -> Record | None:
        return self._live(key.encode())

    async def put(self, key: str, value: Payload, ttl_ms: int | None, condition: WriteCondition) -> Record:
        name = key.encode()
        found = self._live(name)
        if problem := refusal(key, found, condition):
            raise problem
        if found is None and self._max_size and len(self._records) >= self._max_size:
            await self.sweep()
            if len(self._records) >= self._max_size:
                raise full(self._id, self._max_size)
        expires = None if ttl_ms is None else now_ms() + ttl_ms
        record = Record(key, value, next_version(found), expires)
        if found is None:
            insort(self._order, name)
        self._records[name] = record
        return record

    async def delete(self, key: str) -> bool:
        found = self._live(key.encode()) is not None
        self._drop(key.encode())
        return found

    async def list(self, prefix: str, after: str, limit: int) -> list[Record]:
        first = max(bisect_left(self._order, prefix.encode()), bisect_right(self._order, after.encode()))
        found: list[Record] = []
        for name in self._order[first:]:
            if len(found) >= limit or not name.startswith(prefix.encode()):
                break
            record = self._records[name]
            if not record.is_expired():
                found.append(record)
        return found

    async def size(self) -> int:
        return sum(not record.is_expired() for record in self._records.values())

    async def sweep(self) -> None:
        for name in [name for name, record in self._records.items() if record.is_expired()]:
            self._drop(name)

    def _live(self, name: bytes) -> Record | None:
        record = self._records.get(name)
        if record is not None and record.is_expired():
            self._drop(name)
            return None
        return record

    def _drop(self, name: bytes) -> None:
        if self._records.pop(name, None) is not None:
            del self._order[bisect_left(self._order, name)]
