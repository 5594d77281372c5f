"""Entries that only hold values."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from runtime.registry.models import Entry, Reference
from runtime.registry.units import FrozenDict, Opaque, freeze


class EnvVariable(Entry):
    """A name scripts read through `env`: the variable it stands for, where that is kept, and what it is when unset.

    One that is `secret` is read by the entries that name it in `meta.env.variables`, and by no others.
    """

    KIND = "env.variable"
    REFERENCES = (
        Reference(("storage",), ("env.storage.memory", "env.storage.os", "env.storage.file", "env.storage.router")),
    )

    kind: Literal["env.variable"]
    variable: str = Field(min_length=1)
    storage: str | None = None
    default: str | None = Field(default=None, repr=False)
    readonly: bool = False
    secret: bool = False


class RegistryEntry(Entry):
    """Opaque data for scripts to find. Any further field is kept too, in `extras`."""

    KIND = "registry.entry"
    model_config = ConfigDict(extra="allow")

    kind: Literal["registry.entry"]
    data: Opaque = None

    @property
    def extras(self) -> FrozenDict:
        frozen: FrozenDict = freeze(self.model_extra or {})
        return frozen
