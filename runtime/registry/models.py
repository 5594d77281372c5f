"""The base of every entry, and the vocabulary that kinds are written in: models, references, fields lifted out of `meta`.

Entries are frozen through and through: mappings refuse changes, lists are tuples. An entry taken from the registry may
hold placeholder text in any field, whatever the field's type; `Registry.resolve` returns the entry to use.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from runtime.registry import placeholders
from runtime.registry.units import Duration, Frozen, FrozenDict

#: Validation context under which placeholder text is left as it stands.
UNRESOLVED = {"unresolved": True}


@dataclass(frozen=True, slots=True)
class Place:
    """The place where an entry is defined. `root` is the directory its sources are relative to and may not leave; `shipped` is where scripts are
    read instead, for files that came from elsewhere."""

    file: Path
    line: int
    namespace: str
    root: Path
    shipped: Path | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A script as it was when the registry was loaded. `name` is its path relative to the root, with ``/``."""

    path: Path
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names other entries. ``*`` in the path stands for every value of a mapping or list; no kinds: any kind."""

    path: tuple[str, ...]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lift:
    """A part of `meta` that has its own field on the entry. `direct`: it may also be written as that field."""

    field: str
    path: tuple[str, ...]
    direct: bool = False


class Model(BaseModel):
    """Base of entries and of the tables inside them.

    A model is built when the first of its kind is read, since most registries have few of the kinds. So a table that is a default is made by
    `model_construct`, which needs no validator.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_placeholders(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if isinstance(value, str) and info.context is UNRESOLVED and placeholders.is_in(value):
            return value
        return handler(value)


class Restart(Model):
    initial_delay: Duration = timedelta(seconds=1)
    max_delay: Duration = timedelta(seconds=90)
    backoff_factor: float = Field(default=2.0, ge=1)
    max_attempts: int = Field(default=0, ge=0, description="the first start counted; 0: without end")


class Lifecycle(Model):
    auto_start: bool = True
    depends_on: tuple[str, ...] = ()
    start_timeout: Duration = timedelta(seconds=10)
    stop_timeout: Duration = timedelta(seconds=10)
    restart: Restart = Restart.model_construct()


class Entry(Model):
    """One definition of the registry. Subclasses state their kind, the fields that are references, and the parts of `meta` they read."""

    KIND: ClassVar[str] = ""
    REFERENCES: ClassVar[tuple[Reference, ...]] = ()
    LIFTS: ClassVar[tuple[Lift, ...]] = ()
    #: Fields by which others know the entry; their placeholders are resolved when the registry is loaded.
    NAMES: ClassVar[tuple[tuple[str, ...], ...]] = ()

    name: str
    kind: str
    meta: Frozen = Field(default_factory=FrozenDict)
    place: Place = Field(repr=False)

    _definition: FrozenDict = PrivateAttr(default_factory=FrozenDict)

    @property
    def id(self) -> str:
        return f"{self.place.namespace}:{self.name}"

    @property
    def namespace(self) -> str:
        return self.place.namespace

    @property
    def file(self) -> Path:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def root(self) -> Path:
        return self.place.root

    @property
    def definition(self) -> FrozenDict:
        """The fields as the file gives them, references as full ids, placeholders as text."""
        return self._definition

    def __repr__(self) -> str:
        """Names the entry only: a resolved one holds secrets."""
        return f"<{self.kind} {self.id}>"

    __str__ = __repr__


class ServiceEntry(Entry):
    """An entry that is started and stopped.

    `LIFECYCLE` names the fields of `lifecycle` that mean something for its kind. `IS_STARTED`: others can wait for its start; what is not is there as
    soon as it is used.
    """

    REFERENCES: ClassVar[tuple[Reference, ...]] = (Reference(("lifecycle", "depends_on", "*")),)
    LIFECYCLE: ClassVar[frozenset[str]] = frozenset({"auto_start", "depends_on"})
    IS_STARTED: ClassVar[bool] = False

    lifecycle: Lifecycle = Lifecycle.model_construct()

    @property
    def needs(self) -> tuple[str, ...]:
        """The services that it cannot do without, by id."""
        return self.lifecycle.depends_on
