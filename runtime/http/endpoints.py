"""The routes of `http.endpoint` entries, whose handlers are functions of the registry, in Lua or Python."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from runtime.contracts import HttpResponse, Trigger
from runtime.errors import CANCELED, INVALID, Error, internal
from runtime.http.backend import Backend
from runtime.http.body import Arriving, read
from runtime.http.exchange import AT_ONCE, Streamed, as_answer, as_seen
from runtime.http.paths import join
from runtime.http.problem import lua_location
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.principal import Caller
from runtime.registry import FunctionPy, HttpEndpoint, HttpRouter, Registry

_log = logging.getLogger("evermoon.http")

#: From this status on, an answer says that the server failed.
_SERVERS_FAULT = 500


@dataclass(frozen=True, slots=True)
class Times:
    """Limits in seconds: `read` for a body (one that streams: for each part), `write` for the handler (None: no limit), `idle` for a client
    that takes nothing of a streamed answer."""

    read: float = 30.0
    write: float | None = None
    idle: float = 75.0


class Endpoint:
    """A route that runs `function` once per request and turns what it did into the answer.

    What the handler wrote to its response is the answer; what it flushed is sent while it still runs. When it wrote nothing, the value
    it returned is, as JSON, under the status and headers it set; a returned nil is an answer without a body. A failure
    is a problem by its kind; after the first flush it breaks the connection off. When the client goes away, the handler is cancelled.
    """

    def __init__(self, backend: Backend, function: str, times: Times, registry: Registry) -> None:
        self._backend = backend
        self._function = function
        self._registry = registry
        self._times = times

    async def __call__(self, request: web.BaseRequest, params: Params) -> web.StreamResponse:
        body, arriving = await self._body(request)
        answer, stream = HttpResponse(), Streamed(request, self._times.idle)
        answer.send = stream.send
        try:
            value = await self._backend.functions.call(
                self._function,
                [],
                caller=Caller(principal=principal_of(request)),
                trigger=Trigger(request=as_seen(request, params, body, arriving), response=answer),
                timeout=self._times.write,
                **self._kept(),
            )
            if stream.response is None:
                return as_answer(answer, value)
            await stream.finish(answer)
        except Error as error:
            if stream.response is not None:
                level = logging.DEBUG if error.kind == CANCELED else logging.WARNING
                _log.log(level, "%s failed in the middle of its answer: %s", self._function, error)
                stream.break_off()
            elif arriving is not None and arriving.fault is not None:
                raise arriving.fault from error
            else:
                failure = _as_answered(error)
                self._tell(request, failure)
                raise failure from None
        except BaseException:
            if stream.response is not None:
                stream.break_off()
            raise
        assert stream.response is not None
        return stream.response

    def _tell(self, request: web.BaseRequest, error: Error) -> None:
        """A failure that is not the client's is nobody's to read but the author's."""
        if error.http_status < _SERVERS_FAULT:
            return
        place = lua_location(error)
        at = (
            f" ({place['file']}:{place['line']})"
            if place and f"{place['file']}:{place['line']}" not in str(error)
            else ""
        )
        path = request.rel_url.raw_path
        _log.error("%s failed, asked by %s %s: %s%s", self._function, request.method, path, error, at)

    def _kept(self) -> dict[str, Any]:
        """A request that found its route before the function was removed has the function nevertheless."""
        gone = self._function not in self._backend.registry
        return {"former": self._registry} if gone else {}

    async def _body(self, request: web.BaseRequest) -> tuple[bytes, Arriving | None]:
        """All of it, or its beginning and the rest. A Python function is given all of it."""
        if isinstance(self._backend.registry.get(self._function), FunctionPy):
            return await read(request, self._times.read), None
        arriving = Arriving(request, self._times.read)
        body = await arriving.beginning(AT_ONCE)
        return body, None if arriving.at_end else arriving


def _as_answered(error: Error) -> Error:
    """A value that cannot be handed over is invalid, but it is the handler that made it, not the client."""
    is_result = error.kind == INVALID and (error.details or {}).get("returned") is True
    return internal(error.message) if is_result else error


def endpoint_routes(
    backend: Backend, registry: Registry, routers: list[HttpRouter], endpoints: list[HttpEndpoint], times: Times
) -> list[Route]:
    """The routes of `endpoints` whose router is among `routers`; all of `registry`."""
    by_id = {router.id: router for router in routers}
    return [
        Route(
            endpoint.method.upper(),
            join(by_id[endpoint.router].prefix, endpoint.path),
            Endpoint(backend, endpoint.func, times, registry),
            endpoint.id,
            endpoint.router,
        )
        for endpoint in endpoints
        if endpoint.router in by_id
    ]
