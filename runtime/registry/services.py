"""The services of a registry: which are started, and which must be up before another starts.

A service is started when its `lifecycle` says so, or when one that is started cannot do without it. A process that serves a part of a
registry leaves the others to other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from runtime.errors import Error, invalid, unavailable
from runtime.registry.models import Entry, ServiceEntry
from runtime.registry.problems import did_you_mean


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a registry that a process serves: services by their id or their `meta.group`. Without `only`: all, but for `without`."""

    only: Collection[str] = ()
    without: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.only or self.without)

    def has(self, entry: Entry) -> bool:
        names = _names(entry)
        return (not self.only or not names.isdisjoint(self.only)) and names.isdisjoint(self.without)

    def check(self, services: Collection[ServiceEntry]) -> None:
        """Raises `Error` INVALID for a name that no service has."""
        known = {name for entry in services for name in _names(entry)}
        for name in [*self.only, *self.without]:
            if name not in known:
                hint = did_you_mean(name, known)
                text = f'no service has the id or the meta.group "{name}"'
                raise invalid(f"{text}; {hint}" if hint else text, name=name)


#: A process for the whole registry.
WHOLE = Selection()


def _names(entry: Entry) -> set[str]:
    group = entry.meta.get("group")
    groups = group if isinstance(group, list | tuple) else [group]
    return {entry.id, *(name for name in groups if isinstance(name, str))}


class Services:
    """The services among `entries`; `resolve` is the registry's. Of what is started others can wait for, only `selection` is."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        resolve: Callable[[ServiceEntry], ServiceEntry],
        selection: Selection = WHOLE,
    ) -> None:
        self._entries = entries
        self._resolve = resolve
        self._selection = selection

    def check_selection(self) -> None:
        """Raises `Error` INVALID for a name in the selection that no service has."""
        self._selection.check(
            [entry for entry in self._entries.values() if isinstance(entry, ServiceEntry) and entry.IS_STARTED]
        )

    @cached_property
    def started(self) -> frozenset[str]:
        """By id, also where this runtime has no part that would start them."""
        found: set[str] = set()

        def visit(id: str) -> None:
            entry = self._entries.get(id)
            if isinstance(entry, ServiceEntry) and id not in found and self._is_here(entry):
                found.add(id)
                for other in entry.needs:
                    visit(other)

        for id, entry in self._entries.items():
            if isinstance(entry, ServiceEntry) and (id in self._selection.only or self._starts_by_itself(entry)):
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
                if self._is_here(entry):
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
        if entry.id not in self._entries:
            return
        if not self._is_here(entry):
            raise unavailable(
                f"{entry.kind} {entry.id} is not served by this process, which serves a part of its registry",
                entry=entry.id,
            )
        if entry.id not in self.started:
            raise unavailable(
                f"{entry.kind} {entry.id} is not started, for its lifecycle says auto_start: false ({entry.file.name}:{entry.line}); "
                f"start it with -o {entry.id}:lifecycle.auto_start=true",
                entry=entry.id,
            )

    def _is_here(self, entry: ServiceEntry) -> bool:
        """Clients, databases and the like are there for whoever uses them."""
        return not entry.IS_STARTED or self._selection.has(entry)

    def _starts_by_itself(self, entry: ServiceEntry) -> bool:
        """One whose placeholders stand for nothing here is left to say so itself."""
        try:
            return self._resolve(entry).lifecycle.auto_start
        except Error:
            return entry.lifecycle.auto_start is not False
