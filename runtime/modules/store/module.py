"""store: keys and values that outlive an execution, in the host's memory or in a database.

A value is kept as it crossed the boundary (encoding and bytes), so what is read is what was written.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from runtime import durations
from runtime.contracts import ExecutionPort
from runtime.errors import Error, invalid, not_found
from runtime.late import late
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.store.memory import MemoryBackend
from runtime.modules.store.record import Record, StoreBackend, WriteCondition
from runtime.payload import Payload
from runtime.registry.kinds.storage import Store, StoreMemory, StoreSql
from runtime.registry.problems import did_you_mean

if TYPE_CHECKING:
    import asyncio

    from runtime.modules.sql import database as sql_database
    from runtime.modules.store import sql as store_sql
else:
    asyncio = late("asyncio")
    sql_database, store_sql = late("runtime.modules.sql.database"), late("runtime.modules.store.sql")

MAX_KEY = 255  # bytes
MAX_LIST = 1000
DEFAULT_LIST = 100
_MAX_TTL = 100 * 365 * 86400  # seconds
_log = logging.getLogger("evermoon.host")


async def opened(call: HostCall) -> bool:
    """Raises `Error` NOT_FOUND for what is no store, and what keeps its database from being opened."""
    await _backend(call)
    return True


async def get(call: HostCall) -> Payload:
    return (await _found(call)).value


async def entry(call: HostCall) -> dict[str, Any]:
    record = await _found(call)
    return _described(record) | _portable(record)


async def has(call: HostCall) -> bool:
    return await (await _backend(call)).get(_key(call)) is not None


async def put(call: HostCall) -> dict[str, Any]:
    """Raises ALREADY_EXISTS or CONFLICT when the condition does not hold, LIMIT_EXCEEDED when the store is full."""
    version = call.data.get("if_version")
    condition = WriteCondition(call.data.get("only_if_absent") is True, None if version is None else int(version))
    record = await (await _backend(call)).put(_key(call), call.args[0], _ttl(call.data.get("ttl")), condition)
    return _described(record)


async def delete(call: HostCall) -> bool:
    return await (await _backend(call)).delete(_key(call))


async def listing(call: HostCall) -> list[dict[str, Any]]:
    limit = int(call.data.get("limit", DEFAULT_LIST))
    if not 1 <= limit <= MAX_LIST:
        raise invalid(f"limit {limit}: from 1 to {MAX_LIST}")
    prefix, after = str(call.data.get("prefix") or ""), str(call.data.get("after") or "")
    records = await (await _backend(call)).list(prefix, after, limit)
    return [_described(record) | _portable(record) for record in records]


async def info(call: HostCall) -> dict[str, Any]:
    store = _entry(call)
    return {
        "id": store.id,
        "kind": store.kind,
        "size": await (await _backend(call)).size(),
        "max_size": store.max_size,
    }


async def _found(call: HostCall) -> Record:
    record = await (await _backend(call)).get(_key(call))
    if record is None:
        raise not_found("key", _key(call), f"it is not in {call.data['id']}")
    return record


def _key(call: HostCall) -> str:
    key = str(call.data["key"])
    if not 0 < len(key.encode()) <= MAX_KEY:
        raise invalid(f"a key is 1 to {MAX_KEY} bytes long")
    return key


def _ttl(value: Any) -> int | None:
    """Milliseconds of a number of seconds or Go text; None and 0: for ever."""
    if value is None or value == 0:
        return None
    seconds = durations.parse(value).total_seconds() if isinstance(value, str) else float(value)
    if not 0 < seconds <= _MAX_TTL:
        raise invalid(f"ttl {value!r} is no time to live")
    return max(1, round(seconds * 1000))


def _described(record: Record) -> dict[str, Any]:
    fields: dict[str, Any] = {"key": record.key, "version": record.version}
    return fields if record.expires is None else fields | {"expires_at": record.expires / 1000}


def _portable(record: Record) -> dict[str, Any]:
    """The value beside other fields: JSON as its text, bytes in base64."""
    if record.value.encoding.startswith("json/"):
        return {"json": record.value.data.decode()}
    return {"base64": base64.b64encode(record.value.data).decode()}


def _entry(call: HostCall) -> Store:
    found = call.process.registry.get(str(call.data["id"]))
    if not isinstance(found, Store):
        known = [store.id for store in call.process.registry.of_kind(Store)]
        raise not_found("store", call.data["id"], did_you_mean(str(call.data["id"]), known))
    call.process.registry.services.require(found)
    return call.process.registry.resolve(found)


async def _backend(call: HostCall) -> StoreBackend:
    store = _entry(call)
    backend = await _made(call.process, store)
    return await call.process.resources.open(("store", store.id), lambda: _swept(store, backend))


async def _made(process: ExecutionPort, store: Store) -> StoreBackend:
    """Not within `resources.open`, which opens one thing at a time, and the database is another."""
    kept: dict[str, StoreBackend] = process.resources.shared("store", dict)
    if store.id not in kept:
        backend: StoreBackend
        if isinstance(store, StoreSql):
            database = await sql_database.database_of(process, store.database)
            sql = store_sql.SqlBackend(store.id, database, store.table, store.max_size)
            await sql.prepare()
            backend = sql
        else:
            assert isinstance(store, StoreMemory)
            backend = MemoryBackend(store.id, store.max_size)
        kept.setdefault(store.id, backend)  # whoever came first while the table was made
    return kept[store.id]


@asynccontextmanager
async def _swept(store: Store, backend: StoreBackend) -> AsyncIterator[StoreBackend]:
    """Expired records are not seen; sweeping only makes room."""
    interval = store.sweep_interval.total_seconds()
    task = asyncio.create_task(_sweep(store.id, backend, interval)) if interval else None
    try:
        yield backend
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _sweep(store_id: str, backend: StoreBackend, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            await backend.sweep()
        except Error as error:
            _log.warning("%s: expired keys were not removed: %s", store_id, error)


MODULE = ModuleDef(
    name="store",
    classes=frozenset({HOST}),
    summary="keys and values that outlive an execution, in memory or in a database",
    commands={
        "store.open": opened,
        "store.get": get,
        "store.entry": entry,
        "store.has": has,
        "store.put": put,
        "store.delete": delete,
        "store.list": listing,
        "store.info": info,
    },
)
