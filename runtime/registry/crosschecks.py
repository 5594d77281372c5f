"""The checks for mistakes that only show between entries: import cycles, two entries for one workflow type or one route, services that wait for each other,
queues and storages that hand on to each other without end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from runtime.registry import placeholders
from runtime.registry.drafts import Draft
from runtime.registry.kinds.env import EnvStorageRouter
from runtime.registry.kinds.http import HttpEndpoint, HttpRouter
from runtime.registry.kinds.lua import LuaEntry, WorkflowLua
from runtime.registry.kinds.queue import QueueEntry
from runtime.registry.models import Entry, Lifecycle, ServiceEntry
from runtime.registry.yamlfile import Steps

#: An entry, the field that is wrong, and what is wrong.
Finding = tuple[Entry, Steps, str]
_PARAMETER = re.compile(r"\{[^}]*?(\.\.\.)?\}")


def check(entries: Mapping[str, Entry], drafts: Mapping[str, Draft]) -> None:
    """Records what it finds as problems of the drafts."""
    checks: tuple[Callable[[Mapping[str, Entry]], Iterator[Finding]], ...] = (
        _cycles,
        _types,
        _routes,
        _services,
        _rounds,
    )
    for find in checks:
        for entry, steps, message in find(entries):
            drafts[entry.id].complain(steps, message)
    for entry in entries.values():
        for field in _without_meaning(entry):
            drafts[entry.id].note(("lifecycle", field), f"lifecycle.{field} has no meaning for {entry.kind}")


def _without_meaning(entry: Entry) -> list[str]:
    """Fields of `lifecycle` that are written, say something else than is so anyway, and are read by nobody."""
    if not isinstance(entry, ServiceEntry):
        return []
    written = sorted(entry.lifecycle.model_fields_set - entry.LIFECYCLE)
    return [field for field in written if getattr(entry.lifecycle, field) != getattr(Lifecycle(), field)]


def _cycles(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    finished: set[str] = set()

    def visit(id: str, trail: list[str]) -> Iterator[Finding]:
        entry = entries.get(id)
        if not isinstance(entry, LuaEntry) or id in finished:
            return
        for alias, target in entry.imports.items():
            if target != id and target in trail:
                cycle = " → ".join([*trail[trail.index(target) :], target])
                yield entry, ("imports", alias), f"imports.{alias}: imports go round in a circle: {cycle}"
            elif target != id:
                yield from visit(target, [*trail, target])
        finished.add(id)

    for id in entries:
        yield from visit(id, [id])


def _types(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    taken: dict[str, Entry] = {id: entry for id, entry in entries.items() if isinstance(entry, WorkflowLua)}
    for entry in entries.values():
        if not isinstance(entry, WorkflowLua) or not entry.workflow.name:
            continue
        other = taken.setdefault(entry.workflow.name, entry)
        if other is not entry:
            steps = ("meta", "temporal", "workflow", "name")
            message = f'meta.temporal.workflow.name: "{entry.workflow.name}" is also the type of {other.id}'
            yield entry, steps, f"{message} ({other.file}:{other.line})"


def _routes(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    taken: dict[tuple[str, str, str], Entry] = {}
    for entry in entries.values():
        router = entries.get(entry.router) if isinstance(entry, HttpEndpoint) else None
        if not isinstance(entry, HttpEndpoint) or not isinstance(router, HttpRouter):
            continue
        if placeholders.is_in(router.prefix + entry.path):
            continue
        path = _PARAMETER.sub(r"{\1}", router.prefix + entry.path)
        other = taken.setdefault((router.server, entry.method, path), entry)
        if other is not entry:
            message = f"{entry.method} {router.prefix}{entry.path} is also answered by {other.id}"
            yield entry, ("path",), f"{message} ({other.file}:{other.line})"


def _services(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    finished: set[str] = set()

    def visit(id: str, trail: list[str]) -> Iterator[Finding]:
        entry = entries.get(id)
        if not isinstance(entry, ServiceEntry) or id in finished:
            return
        for target in entry.needs:
            if target != id and target in trail:
                if _is_round_of_letters(entries, trail[trail.index(target) :]):
                    continue
                cycle = " → ".join([*trail[trail.index(target) :], target])
                said = entry.lifecycle.depends_on
                place: Steps = ("depends_on", said.index(target)) if target in said else ()
                yield (
                    entry,
                    ("lifecycle", *place),
                    f"lifecycle.depends_on: services wait for each other in a circle: {cycle}",
                )
            elif target != id:
                yield from visit(target, [*trail, target])
        finished.add(id)

    for id in entries:
        yield from visit(id, [id])


def _is_round_of_letters(entries: Mapping[str, Entry], ids: list[str]) -> bool:
    """Whether these are queues alone, of which `_rounds` speaks."""
    return all(isinstance(entries[id], QueueEntry) for id in ids)


def _rounds(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    finished: set[str] = set()

    def visit(id: str, trail: list[str]) -> Iterator[Finding]:
        entry = entries.get(id)
        if entry is None or id in finished:
            return
        for steps, target in _next(entry):
            if target != id and target in trail:
                cycle = " → ".join([*trail[trail.index(target) :], target])
                what = "dead letters" if isinstance(entry, QueueEntry) else "storages"
                yield entry, steps, f"{steps[0]}: {what} go round in a circle: {cycle}"
            elif target != id:
                yield from visit(target, [*trail, target])
        finished.add(id)

    for id in entries:
        yield from visit(id, [id])


def _next(entry: Entry) -> Iterator[tuple[Steps, str]]:
    if isinstance(entry, QueueEntry) and entry.driver_options.dead_letter:
        yield ("driver_options", "dead_letter"), entry.driver_options.dead_letter
    if isinstance(entry, EnvStorageRouter):
        for place, storage in enumerate(entry.storages):
            yield ("storages", place), storage
