"""The queues of a host, each made at its first use, and the stores that durable ones are kept in."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import Error
from runtime.late import late
from runtime.modules.queue.memory import MemoryQueue
from runtime.modules.queue.message import MessageQueue, QueueMessage, dead_letter
from runtime.modules.queue.store import QueueStore
from runtime.registry import Registry
from runtime.registry.kinds.queue import DurableDriver, QueueDriverRedis, QueueDriverSql, QueueEntry
from runtime.registry.kinds.storage import Database, SqlSqlite
from runtime.registry.models import Place
from runtime.resources import Resources

if TYPE_CHECKING:
    import asyncio

    from runtime.modules.queue import durable, redis, sql
    from runtime.modules.sql import database as sql_database
else:
    asyncio = late("asyncio")
    durable, redis = late("runtime.modules.queue.durable"), late("runtime.modules.queue.redis")
    sql, sql_database = late("runtime.modules.queue.sql"), late("runtime.modules.sql.database")

_log = logging.getLogger("evermoon.queues")

FILE = "queues.db"


class Queues:
    """`state`: the directory for what the registry names no place for."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._queues: dict[str, MemoryQueue | durable.DurableQueue] = {}
        self._stores: dict[str, QueueStore] = {}
        self._opening = asyncio.Lock()
        self._registry: Registry

    async def of(self, registry: Registry, entry_id: str) -> MessageQueue | None:
        """The queue of an entry, with the options that `registry` gives it; None for what is no queue. Raises `Error` when its store cannot be opened."""
        entry = registry.get(entry_id)
        if not isinstance(entry, QueueEntry):
            return None
        registry.services.require(entry)
        self._registry = registry
        resolved = registry.resolve(entry)
        if entry_id not in self._queues:
            async with self._opening:
                if entry_id not in self._queues:
                    self._queues[entry_id] = await self._made(registry, resolved)
        queue = self._queues[entry_id]
        queue.entry = resolved
        return queue

    async def close(self) -> None:
        for queue in self._queues.values():
            await queue.close()
        for store in self._stores.values():
            await store.close()

    async def _made(self, registry: Registry, entry: QueueEntry) -> MemoryQueue | durable.DurableQueue:
        driver = registry.get(entry.driver)
        if not isinstance(driver, DurableDriver):
            return MemoryQueue(entry, self._bury)
        driver = registry.resolve(driver)
        if driver.id not in self._stores:
            self._stores[driver.id] = await self._opened(registry, driver)
        return durable.DurableQueue(entry, driver, self._stores[driver.id], self._bury)

    async def _opened(self, registry: Registry, driver: DurableDriver) -> QueueStore:
        if isinstance(driver, QueueDriverRedis):
            return redis.RedisQueueStore(driver)
        assert isinstance(driver, QueueDriverSql)
        database = sql_database.OpenDatabase(self._database(registry, driver))
        store = sql.SqlQueueStore(database, driver.table)
        try:
            await store.prepare()
        except BaseException:
            await database.close()
            raise
        return store

    def _database(self, registry: Registry, driver: QueueDriverSql) -> Database:
        if driver.database is None:
            place = Place(file=self._state / FILE, line=0, namespace="evermoon", root=self._state)
            return SqlSqlite(name="queues", kind="db.sql.sqlite", file=FILE, place=place)
        database = registry.get(driver.database)
        assert isinstance(database, Database)
        registry.services.require(database)
        return registry.resolve(database)

    async def _bury(self, entry: QueueEntry, message: QueueMessage, error: Error) -> None:
        target = entry.driver_options.dead_letter
        attempts = f"{message.attempt} attempt{'' if message.attempt == 1 else 's'}"
        queue = await self.of(self._registry, target) if target is not None else None
        if queue is None:
            _log.error("%s: message %s is dropped after %s: %s", entry.id, message.id, attempts, error)
            return
        try:
            await queue.put(dead_letter(entry, message, error))
        except Error as refused:
            if refused.is_retried and not isinstance(self._queues.get(entry.id), MemoryQueue):
                raise  # it stays where it is until it can be buried
            _log.error("%s: message %s is dropped after %s (%s): %s", entry.id, message.id, attempts, error, refused)


async def queues_of(resources: Resources) -> Queues:
    return await resources.open("queues", lambda: _opened(resources.state))


@asynccontextmanager
async def _opened(state: Path) -> AsyncIterator[Queues]:
    queues = Queues(state)
    try:
        yield queues
    finally:
        await queues.close()
