"""Entries that only hold data."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from runtime.registry.models import Entry
from runtime.registry.units import FrozenDict, Opaque, freeze


class RegistryEntry(Entry):
    """Opaque data for scripts to find. Any further field is kept, too, in `extras`."""

    KIND = "registry.entry"
    model_config = ConfigDict(extra="allow")

    kind: Literal["registry.entry"]
    data: Opaque = None

    @property
    def extras(self) -> FrozenDict:
        frozen: FrozenDict = freeze(self.model_extra or {})
        return frozen
