"""The list of every kind that a definition file may name."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.registry.kinds.data import RegistryEntry
from runtime.registry.kinds.env import EnvStorageFile, EnvStorageMemory, EnvStorageOs, EnvStorageRouter, EnvVariable
from runtime.registry.kinds.foreign import Foreign, TemporalActivity, TemporalWorkflow
from runtime.registry.kinds.http import HttpEndpoint, HttpRouter, HttpService, HttpStatic
from runtime.registry.kinds.lua import FunctionLua, LibraryLua, ProcessLua, WorkflowLua
from runtime.registry.kinds.outbox import OutboxRelay
from runtime.registry.kinds.process import ProcessHostEntry, ProcessService
from runtime.registry.kinds.python import FunctionPy
from runtime.registry.kinds.queue import (
    QueueConsumer,
    QueueDriverMemory,
    QueueDriverRedis,
    QueueDriverSql,
    QueueEntry,
)
from runtime.registry.kinds.schedule import TemporalSchedule
from runtime.registry.kinds.security import SecurityPolicy
from runtime.registry.kinds.storage import SqlMysql, SqlPostgres, SqlSqlite, StoreMemory, StoreSql
from runtime.registry.kinds.stream import StreamMemory, StreamRedis, StreamSql
from runtime.registry.kinds.temporal import TemporalClient, TemporalWorker
from runtime.registry.models import Entry

MODELS: tuple[type[Entry], ...] = (
    WorkflowLua,
    FunctionLua,
    FunctionPy,
    ProcessLua,
    LibraryLua,
    ProcessHostEntry,
    ProcessService,
    TemporalClient,
    TemporalWorker,
    TemporalSchedule,
    TemporalActivity,
    TemporalWorkflow,
    HttpService,
    HttpRouter,
    HttpEndpoint,
    HttpStatic,
    StoreMemory,
    StoreSql,
    StreamMemory,
    StreamSql,
    StreamRedis,
    SqlSqlite,
    SqlPostgres,
    SqlMysql,
    EnvVariable,
    EnvStorageMemory,
    EnvStorageOs,
    EnvStorageFile,
    EnvStorageRouter,
    QueueDriverMemory,
    QueueDriverSql,
    QueueDriverRedis,
    QueueEntry,
    QueueConsumer,
    OutboxRelay,
    SecurityPolicy,
    RegistryEntry,
)

#: Entries that may be activities: their `activity` says on whose queue.
ActivityEntry = FunctionLua | FunctionPy | ProcessLua

#: Entries that runs are started of, here or elsewhere.
StartableWorkflow = WorkflowLua | TemporalWorkflow

KINDS: Mapping[str, type[Entry]] = {model.KIND: model for model in MODELS}

__all__ = [
    "KINDS",
    "MODELS",
    "ActivityEntry",
    "EnvStorageFile",
    "EnvStorageMemory",
    "EnvStorageOs",
    "EnvStorageRouter",
    "EnvVariable",
    "Foreign",
    "FunctionLua",
    "FunctionPy",
    "HttpEndpoint",
    "HttpRouter",
    "HttpService",
    "HttpStatic",
    "LibraryLua",
    "ProcessHostEntry",
    "ProcessLua",
    "ProcessService",
    "QueueConsumer",
    "QueueDriverMemory",
    "QueueEntry",
    "RegistryEntry",
    "SecurityPolicy",
    "SqlMysql",
    "SqlPostgres",
    "SqlSqlite",
    "StartableWorkflow",
    "StoreMemory",
    "StoreSql",
    "StreamMemory",
    "StreamRedis",
    "StreamSql",
    "TemporalActivity",
    "TemporalClient",
    "TemporalSchedule",
    "TemporalWorker",
    "TemporalWorkflow",
    "WorkflowLua",
]
