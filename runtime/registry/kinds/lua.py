"""Entries whose code is a Lua file."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, InstanceOf, WithJsonSchema

from runtime.registry.models import Entry, Lift, Model, Reference, SourceFile
from runtime.registry.units import Count, Duration, Frozen, FrozenDict, FrozenText, JsonSchema, Schemas, Size

LuaSource = Annotated[
    InstanceOf[SourceFile],
    WithJsonSchema({"type": "string", "pattern": "^file://", "description": "file://path, relative to the root"}),
]

#: The kinds an `imports` table may name.
IMPORTABLE = ("library.lua", "function.lua")
_IMPORTS = Reference(("imports", "*"), IMPORTABLE)
_DEFAULT_HOST = Reference(("meta", "default_host"), ("temporal.worker", "process.host"))
_ACTIVITY = Lift("activity", ("meta", "temporal", "activity"))
_HTTP_CLIENT = Lift("http_client", ("meta", "http_client"))
_ENV = Lift("env", ("meta", "env"))
_VARIABLES = Reference(("meta", "env", "variables", "*"), ("env.variable",))
OPTIONS = Lift("options", ("meta", "options"))
ACTIVITY_WORKER = Reference(("meta", "temporal", "activity", "worker"), ("temporal.worker",))


class Limits(Model):
    """The limits of a script: `memory` in bytes per interpreter, `instructions` per step."""

    memory: Size = Field(default=64 * 1024**2, gt=0)
    instructions: Count = 20_000_000


class RunLimits(Limits):
    """The limits of what runs by itself. `depth`: how many runs and processes may have started one another in a row with what it starts."""

    depth: int = Field(default=50, ge=1)


class WorkflowLimits(RunLimits):
    """The limits of a run. `children`, `activities` and `timers`: how many it may have under way at once."""

    children: int | None = Field(default=None, ge=0)
    activities: int | None = Field(default=None, ge=0)
    timers: int = Field(default=10_000, ge=0)


class ConcurrencyPool(Model):
    size: int = Field(default=8, ge=1)


class ActivityMeta(Model):
    """The part of `meta` that makes a function an activity on the queue of `worker`."""

    worker: str
    local: bool = False


class WorkflowMeta(Model):
    """The part of `meta` about a workflow. `name` is the workflow type, when it is not the entry's id; `signals`, `queries` and `updates` map names to JSON Schemas."""

    worker: str | None = None
    name: str | None = Field(default=None, min_length=1)
    on_error: Literal["fail", "retry_task"] = "fail"
    versioning: Literal["pinned", "latest"] = "pinned"
    signals: Schemas = Field(default_factory=FrozenDict)
    queries: Schemas = Field(default_factory=FrozenDict)
    updates: Schemas = Field(default_factory=FrozenDict)

    @property
    def pinned(self) -> bool:
        """Whether runs keep the code they began with. Not where a failing run waits for its script to be mended."""
        return self.versioning == "pinned" and self.on_error == "fail"


class HttpClientMeta(Model):
    """The hosts that an entry's `http_client` may reach beyond the public internet, or, when not `public`, at all."""

    public: bool = True
    allow_private: bool = False
    hosts: tuple[str, ...] = ()


class EnvMeta(Model):
    """The `env.variable` entries that an entry's `env` may read and set. None: all that are not secret."""

    variables: tuple[str, ...] | None = None


class LuaEntry(Entry):
    """An entry whose code is a Lua file. `modules` are the names `require` knows; `imports` maps further names to the ids of libraries and functions."""

    REFERENCES: ClassVar[tuple[Reference, ...]] = (_IMPORTS,)

    source: LuaSource
    modules: tuple[str, ...] = ()
    imports: FrozenText = Field(default_factory=FrozenDict)
    limits: Limits = Limits.model_construct()


class RunnableLua(LuaEntry):
    """A Lua entry that runs by itself, from `method` of what its file returns (or of its globals)."""

    limits: RunLimits = RunLimits.model_construct()

    method: str = Field(default="main", min_length=1)


class WorkflowLua(RunnableLua):
    """A durable workflow."""

    limits: WorkflowLimits = WorkflowLimits.model_construct()

    KIND = "workflow.lua"
    REFERENCES = (
        _IMPORTS,
        _DEFAULT_HOST,
        Reference(("meta", "temporal", "workflow", "worker"), ("temporal.worker",)),
    )
    NAMES = (("meta", "temporal", "workflow", "name"),)
    LIFTS = (Lift("workflow", ("meta", "temporal", "workflow")), OPTIONS)

    kind: Literal["workflow.lua"]
    input_schema: JsonSchema | None = None
    workflow: WorkflowMeta = WorkflowMeta.model_construct()
    options: Frozen = Field(default_factory=FrozenDict)


class FunctionLua(RunnableLua):
    """A function, and an activity when `meta.temporal.activity` names a worker."""

    KIND = "function.lua"
    REFERENCES = (_IMPORTS, ACTIVITY_WORKER, _VARIABLES)
    LIFTS = (_ACTIVITY, OPTIONS, _HTTP_CLIENT, _ENV)

    kind: Literal["function.lua"]
    pool: ConcurrencyPool = ConcurrencyPool.model_construct()
    timeout: Duration | None = None
    activity: ActivityMeta | None = None
    options: Frozen = Field(default_factory=FrozenDict)
    http_client: HttpClientMeta = HttpClientMeta.model_construct()
    env: EnvMeta = EnvMeta.model_construct()


class ProcessLua(RunnableLua):
    """A long-lived process with a mailbox, started by scripts and by services."""

    KIND = "process.lua"
    REFERENCES = (_IMPORTS, ACTIVITY_WORKER, _DEFAULT_HOST, _VARIABLES)
    LIFTS = (_ACTIVITY, OPTIONS, _HTTP_CLIENT, _ENV, Lift("default_host", ("meta", "default_host")))

    kind: Literal["process.lua"]
    pool: ConcurrencyPool = ConcurrencyPool.model_construct()
    timeout: Duration | None = None
    activity: ActivityMeta | None = None
    options: Frozen = Field(default_factory=FrozenDict)
    http_client: HttpClientMeta = HttpClientMeta.model_construct()
    env: EnvMeta = EnvMeta.model_construct()
    default_host: str | None = None


class LibraryLua(LuaEntry):
    """Code other entries import; its value is what the file returns."""

    KIND = "library.lua"

    kind: Literal["library.lua"]
