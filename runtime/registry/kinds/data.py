"""Entries that only hold data."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from runtime.registry.models import Entry
from runtime.registry.units import Opaque


class RegistryEntry(Entry):
    """Opaque data for scripts to find. Any further field is kept too."""

    KIND = "registry.entry"
    model_config = ConfigDict(extra="allow")

    kind: Literal["registry.entry"]
    data: Opaque = None
