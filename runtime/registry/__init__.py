"""Definition files in YAML → frozen, validated entries. Knows neither Lua nor Temporal."""

from runtime.registry.bundles import LATEST, Bundle
from runtime.registry.bundlestore import BundleStore, Listed, Stored
from runtime.registry.kinds import (
    EnvVariable,
    FunctionLua,
    FunctionPy,
    HttpEndpoint,
    HttpRouter,
    HttpService,
    LibraryLua,
    ProcessHost,
    ProcessLua,
    ProcessService,
    RegistryEntry,
    SecurityPolicy,
    TemporalClient,
    TemporalSchedule,
    TemporalWorker,
    WorkflowLua,
)
from runtime.registry.kinds.lua import ActivityMeta, Limits, LuaEntry, RunnableLua, WorkflowMeta
from runtime.registry.models import Entry, SourceFile
from runtime.registry.problems import Problem, RegistryError
from runtime.registry.registry import Check, Registry
from runtime.registry.sqlstore import SqlStore
from runtime.registry.stores import DirectoryStore, MemoryStore, open_store

__all__ = [
    "LATEST",
    "ActivityMeta",
    "Bundle",
    "BundleStore",
    "Check",
    "DirectoryStore",
    "Entry",
    "EnvVariable",
    "FunctionLua",
    "FunctionPy",
    "HttpEndpoint",
    "HttpRouter",
    "HttpService",
    "LibraryLua",
    "Limits",
    "Listed",
    "LuaEntry",
    "MemoryStore",
    "Problem",
    "ProcessHost",
    "ProcessLua",
    "ProcessService",
    "Registry",
    "RegistryEntry",
    "RegistryError",
    "RunnableLua",
    "SecurityPolicy",
    "SourceFile",
    "SqlStore",
    "Stored",
    "TemporalClient",
    "TemporalSchedule",
    "TemporalWorker",
    "WorkflowLua",
    "WorkflowMeta",
    "open_store",
]
