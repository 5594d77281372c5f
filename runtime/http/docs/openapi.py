"""The OpenAPI 3.1 document of one service: Evermoon's own routes, a start of each workflow with its schema, and the endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from runtime.http.docs.own import OWN, SCHEMAS, STARTING, TEXT, ApiOperation, Json, Parameter, ref
from runtime.http.paths import API
from runtime.http.problem import CONTENT_TYPE
from runtime.http.routes import Route
from runtime.registry import HttpEndpoint, HttpRouter, Registry, StartableWorkflow
from runtime.registry.units import thawed

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?:\.\.\.)?\}")
_PROBLEM = {"description": "A problem.", "content": {CONTENT_TYPE: {"schema": ref("Problem")}}}
_START = f"{API}/workflows/{{entry}}"


def document(registry: Registry, routes: Iterable[Route], workflows: Iterable[StartableWorkflow]) -> dict[str, Any]:
    """`workflows`: those that whoever asks may know of."""
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda route: (bool(route.owner), route.path)):
        for method, described in _described(registry, route):
            paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {}).setdefault(method, described)
    for entry in workflows:
        path = _START.replace("{entry}", entry.id)
        paths[path] = {"post": _start(entry)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Evermoon", "version": version("evermoon")},
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(registry: Registry, route: Route) -> Iterator[tuple[str, dict[str, Any]]]:
    """Its method and what OpenAPI says of it; a route for any method answers what is asked of it, files are files."""
    if not route.owner:
        yield route.method.lower(), _own(route)
    entry = registry.get(route.owner) if route.owner else None
    if isinstance(entry, HttpEndpoint):
        yield route.method.lower(), _endpoint(registry, route, entry)


def _own(route: Route) -> dict[str, Any]:
    operation = OWN[f"{route.method} {route.path}"]
    return {**_operation(operation, route.path), "tags": ["Evermoon"]}


def _start(entry: StartableWorkflow) -> dict[str, Any]:
    about = OWN[f"POST {_START}"]
    schema = thawed(entry.input_schema) if entry.input_schema is not None else {}
    summary = _summary(entry.meta) or f"Start a run of {entry.id}"
    return {
        **_operation(ApiOperation(summary, about.answers, STARTING, schema, entry.input_schema is not None), ""),
        "tags": ["Workflows"],
    }


def _endpoint(registry: Registry, route: Route, entry: HttpEndpoint) -> dict[str, Any]:
    function = registry.get(entry.func)
    summary = _summary(entry.meta) or (_summary(function.meta) if function is not None else None) or entry.func
    described: dict[str, Any] = {
        "summary": summary,
        "operationId": f"{route.method.lower()} {entry.id}",
        "parameters": _parameters(route.path, ()),
        "responses": {"200": {"description": f"What {entry.func} answers."}, "default": _PROBLEM},
        "tags": [entry.router],
    }
    if route.method in ("POST", "PUT", "PATCH"):
        described["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    router = registry.get(entry.router)
    if isinstance(router, HttpRouter) and "token_auth" in router.middleware:
        described["security"] = [{"token": []}]
    return described


def _operation(operation: ApiOperation, path: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": _parameters(path, operation.parameters),
        "responses": {str(status): _answer(*what) for status, what in operation.answers.items()},
    }
    described["responses"].setdefault("default", _PROBLEM)
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.needs_body,
            "content": {"application/json": {"schema": operation.body}},
        }
    return described


def _answer(says: str, content: Json | str | None) -> dict[str, Any]:
    if content is None:
        return {"description": says}
    if content == "problem":
        return {**_PROBLEM, "description": says}
    if content == "run-failed":
        return {"description": says, "content": {CONTENT_TYPE: {"schema": ref("RunFailed")}}}
    if isinstance(content, str):
        return {"description": says, "content": {content: {"schema": dict(TEXT)}}}
    return {"description": says, "content": {"application/json": {"schema": content}}}


def _parameters(path: str, more: Iterable[Parameter]) -> list[dict[str, Any]]:
    found = [{"name": name, "in": "path", "required": True, "schema": dict(TEXT)} for name in _PARAMETER.findall(path)]
    return found + [
        {"name": item.name, "in": item.place, "description": item.says, "schema": dict(item.schema)} for item in more
    ]


def _summary(meta: Mapping[str, Any]) -> str | None:
    """What an author says of an entry: `meta.summary`, else `meta.comment`."""
    said = meta.get("summary") or meta.get("comment")
    return said if isinstance(said, str) else None


def phrase(status: str) -> str:
    return HTTPStatus(int(status)).phrase if status.isdigit() else "otherwise"
