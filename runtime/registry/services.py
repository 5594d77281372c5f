"""The services of a registry: which are started, and which must be up before another starts.

A service is started when its `lifecycle` says so, or when one that is started cannot do without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from runtime.errors import Error, unavailable
from runtime.registry.models import Entry, ServiceEntry


class Services:
    """The services among `entries`; `resolve` is the registry's."""

    def __init__(self, entries: Mapping[str, Entry], resolve: Callable[[ServiceEntry], ServiceEntry]) -> None:
        self._entries = entries
        self._resolve = resolve

    @cached_property
    def started(self) -> frozenset[str]:
        """By id, also where this runtime has no part that would start them."""
        found: set[str] = set()

        def visit(id: str) -> None:
            entry = self._entries.get(id)
            if isinstance(entry, ServiceEntry) and id not in found:
                found.add(id)
                for other in entry.needs:
                    visit(other)

        for id, entry in self._entries.items():
            if isinstance(entry, ServiceEntry) and self._starts_by_itself(entry):
                visit(id)
        return frozenset(found)

    def awaited(self, id: str) -> list[str]:
        """The services that must be up before `id` starts. What has no start of its own stands for what it needs itself."""
        found: list[str] = []
        seen = {id}

        def visit(other: str) -> None:
            entry = self._entries.get(other)
            if not isinstance(entry, ServiceEntry) or other in seen:
                return
            seen.add(other)
            if entry.IS_STARTED:
                found.append(other)
                return
            for further in entry.needs:
                visit(further)

        entry = self._entries.get(id)
        for other in entry.needs if isinstance(entry, ServiceEntry) else ():
            visit(other)
        return found

    def require(self, entry: ServiceEntry) -> None:
        """Raises `Error` UNAVAILABLE for one that is not started."""
        if entry.id not in self.started and entry.id in self._entries:
            raise unavailable(
                f"{entry.kind} {entry.id} is not started, for its lifecycle says auto_start: false ({entry.file.name}:{entry.line}); "
                f"start it with -o {entry.id}:lifecycle.auto_start=true",
                entry=entry.id,
            )

    def _starts_by_itself(self, entry: ServiceEntry) -> bool:
        """One whose placeholders stand for nothing here is left to say so itself."""
        try:
            return self._resolve(entry).lifecycle.auto_start
        except Error:
            return entry.lifecycle.auto_start is not False
