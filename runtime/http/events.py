"""The route `GET /api/v1/runs/{id}/events`, which streams what happens to a run as Server-Sent Events."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator

from aiohttp import web

from runtime.contracts import Cursor, EventFeed, RunEvent
from runtime.errors import Error
from runtime.http.backend import Backend
from runtime.http.paths import API
from runtime.http.problem import refuse
from runtime.http.request import principal_of
from runtime.http.routes import Params, Route
from runtime.modules.stream.subscription import Filter, wanted

#: Seconds between two signs of life while nothing happens.
HEARTBEAT = 15.0
#: Milliseconds after which a client comes back: not all of them at once.
_RETRY = (1000, 3000)


class RunEvents:
    """The route of a run's events. After `idle` seconds a client that takes nothing is disconnected; its cursor brings it back."""

    def __init__(self, backend: Backend, idle: float, heartbeat: float = HEARTBEAT) -> None:
        self._backend = backend
        self._idle = idle
        self._heartbeat = heartbeat

    def routes(self) -> list[Route]:
        return [Route("GET", f"{API}/runs/{{id}}/events", self.follow, query=("last_event_id", "only", "names"))]

    async def follow(self, request: web.BaseRequest, params: Params) -> web.StreamResponse:
        """204 to one that has had the last event: a browser then stops coming back."""
        after, wants = _cursor(request), _filter(request)
        async with self._backend.workflows_for(principal_of(request)).follow(params["id"], after) as feed:
            if feed.is_over:
                return web.Response(status=204)
            response = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream",
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                }
            )
            await response.prepare(request)
            if request.method != "HEAD":
                await self._stream(request, response, feed, wants)
            return response

    async def _stream(
        self, request: web.BaseRequest, response: web.StreamResponse, feed: EventFeed, wants: Filter
    ) -> None:
        try:
            await self._write(response, f"retry: {random.randint(*_RETRY)}\n\n")
            async for event in self._events(feed):
                if event is None:
                    await self._write(response, ": \n\n")
                elif wants(event):
                    await self._write(response, _text(event))
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except Error:
            pass  # the client comes back with its cursor, and is told then

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(self._idle):
            await response.write(text.encode())

    async def _events(self, feed: EventFeed) -> AsyncIterator[RunEvent | None]:
        """None when it is time for a sign of life. Ends when the server stops."""
        events = aiter(feed)
        stopping = asyncio.ensure_future(self._backend.stopping.wait())
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                done, _ = await asyncio.wait(
                    (following, stopping), timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED
                )
                if following in done:
                    event = following.result()
                    if event is None:
                        return
                    yield event
                    following = asyncio.ensure_future(anext(events, None))
                elif stopping in done:
                    return
                else:
                    yield None
        finally:
            for task in (following, stopping):
                task.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)


def _cursor(request: web.BaseRequest) -> Cursor | None:
    """The header wins: a browser that comes back sends it, and the URL it began with. Answers 400."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except Error as error:
        raise refuse(400, str(error), parameter="last_event_id") from None


def _filter(request: web.BaseRequest) -> Filter:
    """Answers 400."""
    only = request.query.get("only")
    if only not in (None, "stream"):
        raise refuse(400, f"only={only[:40]} is not known: only=stream leaves the history out", parameter="only")
    names = {name for text in request.query.getall("names", []) for name in text.split(",") if name}
    return wanted(names, only_streams=only is not None)


def _text(event: RunEvent) -> str:
    head = f"id: {event.id}\n" if event.id is not None else ""
    return f"{head}event: {event.name}\ndata: {json.dumps(event.data, ensure_ascii=False, separators=(',', ':'))}\n\n"
