"""The routes `/api/v1/entries`, which list what can be started, with schemas and source. Placeholders are shown as written, never resolved."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from runtime.http.answers import json_response
from runtime.http.backend import Backend
from runtime.http.paths import API
from runtime.http.problem import refuse
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.modules.security.rules import is_allowed
from runtime.modules.security.rules import refuse as refuse_to
from runtime.principal import Principal
from runtime.registry import Registry, StartableWorkflow, TemporalWorkflow, WorkflowLua
from runtime.registry.problems import did_you_mean

READ_ENTRY = "registry.read"


class Entries:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        return [
            Route("GET", f"{API}/entries", self.index, query=()),
            Route("GET", f"{API}/entries/{{id}}", self.show, query=()),
        ]

    async def index(self, request: web.BaseRequest, params: Params) -> web.Response:
        registry = self._backend.registry
        principal = principal_of(request)
        entries = [_document(registry, entry) for entry in known_to(registry, principal)]
        return json_response({"entries": entries, "count": len(entries)})

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        registry = self._backend.registry
        entry = registry.get(params["id"])
        if not isinstance(entry, StartableWorkflow):
            id = params["id"][:200]
            hint = did_you_mean(id, [known.id for known in known_to(registry, principal_of(request))])
            text = f"{id} cannot be started: no such workflow"
            raise refuse(404, f"{text}; {hint}" if hint else text, entry=id)
        refuse_to(registry, principal_of(request), READ_ENTRY, entry.id)
        source = (
            {"source": {"name": entry.source.name, "text": entry.source.text}} if isinstance(entry, WorkflowLua) else {}
        )
        return json_response({**_document(registry, entry), **source})


def known_to(registry: Registry, principal: Principal) -> list[StartableWorkflow]:
    """The workflows that a principal may know of."""
    found = [entry for entry in registry.entries.values() if isinstance(entry, StartableWorkflow)]
    return [entry for entry in found if is_allowed(registry, principal, READ_ENTRY, entry.id)]


def _document(registry: Registry, entry: StartableWorkflow) -> dict[str, Any]:
    return {
        "id": entry.id,
        "kind": entry.kind,
        "workflow_type": registry.workflow_type(entry),
        "input_schema": entry.input_schema,
        **(_script(entry) if isinstance(entry, WorkflowLua) else _elsewhere(entry)),
        "links": {
            "self": f"{API}/entries/{quote(entry.id, safe=':')}",
            "start": f"{API}/workflows/{quote(entry.id, safe=':')}",
        },
    }


def _script(entry: WorkflowLua) -> dict[str, Any]:
    workflow = entry.workflow
    return {
        "worker": workflow.worker,
        "method": entry.method,
        "modules": list(entry.modules),
        "imports": dict(entry.imports),
        "signals": workflow.signals,
        "queries": workflow.queries,
        "updates": workflow.updates,
    }


def _elsewhere(entry: TemporalWorkflow) -> dict[str, Any]:
    return {"worker": entry.worker, "task_queue": entry.task_queue, "result_schema": entry.result_schema}
