"""The check of search attributes that scripts name literally in ``workflow.attrs{ search = { Name = … } }``: a client has to declare them."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.lua import opcodes as op
from runtime.lua.analysis import analysed
from runtime.lua.bindings import SourceCall, calls_of
from runtime.registry import Problem, Registry, TemporalClient, TemporalWorker, WorkflowLua
from runtime.registry.problems import did_you_mean


def attribute_notes(registry: Registry, entry: WorkflowLua) -> Iterator[Problem]:
    """Names that the temporal.client of a workflow's worker does not declare. Nothing is said of a workflow without a worker."""
    worker = registry.get(entry.workflow.worker or "")
    client = registry.get(worker.client) if isinstance(worker, TemporalWorker) else None
    if not isinstance(client, TemporalClient):
        return
    for call in calls_of(analysed(entry.source.text, entry.source.name)):
        if call.path == ("workflow", "attrs"):
            for name, line in _literal_names(call):
                if name not in client.search_attributes:
                    message = f'search attribute "{name}" is not declared by {client.id}'
                    near = did_you_mean(name, client.search_attributes)
                    hint = near or f"add it to search_attributes of {client.id}, with its type"
                    yield Problem(entry.source.path, line, entry.id, message, hint, severity="note")


def _literal_names(call: SourceCall) -> Iterator[tuple[str, int]]:
    """The keys that are written into the table `search` of the call's argument, with their lines."""
    function, argument = call.function, call.function.code[call.at].a + 1
    made: dict[int, list[tuple[str, int]]] = {}
    for step in function.code[: call.at]:
        if step.op == op.NEWTABLE:
            made[step.a] = []
        elif step.op == op.SETFIELD and step.a in made:
            key = str(function.constants[step.b])
            if key == "search" and step.a == argument:
                yield from made.get(step.c, [])
            made[step.a].append((key, step.line))
