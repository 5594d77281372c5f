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
from runtime.registry import Registry, WorkflowLua

READ_ENTRY = "registry.read"


class Entries:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        return [
            Route("GET", f"{API}/entries", self.index),
            Route("GET", f"{API}/entries/{{id}}", self.show),
        ]

    async def index(self, request: web.BaseRequest, params: Params) -> web.Response:
        registry = self._backend.registry
        principal = principal_of(request)
        entries = [_document(registry, entry) for entry in known_to(registry, principal)]
        return json_response({"entries": entries, "count": len(entries)})

    async def show(self, request: web.BaseRequest, params: Params) -> web.Response:
        registry = self._backend.registry
        entry = registry.get(params["id"])
        if not isinstance(entry, WorkflowLua):
            raise refuse(404, f"{params['id'][:200]} cannot be started: no such workflow", entry=params["id"][:200])
        refuse_to(registry, principal_of(request), READ_ENTRY, entry.id)
        source = {"name": entry.source.name, "text": entry.source.text}
        return json_response({**_document(registry, entry), "source": source})


def known_to(registry: Registry, principal: Principal) -> list[WorkflowLua]:
    """The workflows that a principal may know of."""
    return [entry for entry in registry.of_kind(WorkflowLua) if is_allowed(registry, principal, READ_ENTRY, entry.id)]


def _document(registry: Registry, entry: WorkflowLua) -> dict[str, Any]:
    workflow = entry.workflow
    return {
        "id": entry.id,
        "kind": entry.kind,
        "workflow_type": registry.workflow_type(entry),
        "worker": workflow.worker,
        "method": entry.method,
        "modules": list(entry.modules),
        "imports": dict(entry.imports),
        "input_schema": entry.input_schema,
        "signals": workflow.signals,
        "queries": workflow.queries,
        "updates": workflow.updates,
        "links": {
            "self": f"{API}/entries/{quote(entry.id, safe=':')}",
            "start": f"{API}/workflows/{quote(entry.id, safe=':')}",
        },
    }
