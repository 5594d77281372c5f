"""A request as a handler sees it, and the response that takes shape while it runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from aiohttp import web

from runtime.contracts import HttpRequest, HttpResponse
from runtime.errors import canceled, internal
from runtime.http.answers import payload_response
from runtime.http.body import Arriving
from runtime.http.request import client_of
from runtime.http.routes import Params
from runtime.payload import NULL, Payload

#: A body no larger than this is read before its handler begins; of a larger one, this much.
AT_ONCE = 256 * 1024

#: Framing belongs to the server, whatever a handler says.
_NOT_FOR_HANDLERS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"})
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BODILESS = frozenset({204, 304})


def as_seen(request: web.BaseRequest, params: Params, body: bytes, arriving: Arriving | None) -> HttpRequest:
    """`arriving`: what has not been read of the body; None when `body` is all of it."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return HttpRequest(
        method=request.method,
        path=request.path,
        host=request.host,
        remote_addr=client_of(request),
        query={name: request.query.getall(name) for name in request.query},
        headers=headers,
        params=dict(params),
        body=body,
        rest=arriving.more if arriving else None,
    )


class Streamed:
    """A response that is sent piece by piece. `send` is what `HttpResponse.send` wants.

    A client that takes nothing for `patience` seconds is given up.
    """

    def __init__(self, request: web.BaseRequest, patience: float) -> None:
        self._request = request
        self._patience = patience
        self._one_at_a_time = asyncio.Lock()
        self.response: web.StreamResponse | None = None

    async def send(self, answer: HttpResponse) -> None:
        """Raises `Error` CANCELED when the client is gone, INTERNAL for a status or header that HTTP does not allow."""
        async with self._one_at_a_time:
            data = bytes(answer.body)
            answer.body.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._send(answer, data)
            except (TimeoutError, ConnectionError):
                self.break_off()
                raise canceled("the client is gone") from None

    async def finish(self, answer: HttpResponse) -> None:
        await self.send(answer)

    def break_off(self) -> None:
        """Closes the connection in the middle of the answer, so that its reader cannot take what it has for all of it."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _send(self, answer: HttpResponse, data: bytes) -> None:
        if self.response is None:
            self.response = web.StreamResponse(status=answer.status, headers=_headers(answer.headers))
            await self.response.prepare(self._request)
        if data and self._request.method != "HEAD" and answer.status not in _BODILESS:
            await self.response.write(data)


def as_answer(answer: HttpResponse, value: Payload) -> web.Response:
    """What the handler wrote is the answer; when it wrote nothing, what it returned. Raises `Error` INTERNAL for what HTTP does not allow."""
    headers = _headers(answer.headers)
    if answer.written or answer.body or _is_nothing(value):
        return web.Response(status=answer.status, body=bytes(answer.body), headers=headers)
    response = payload_response(value, answer.status)
    response.headers.update(headers)
    return response


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    """Checked here, because a line break in one would be a header, or an answer, of its own."""
    for name, text in given.items():
        if not _NAME.fullmatch(name) or _CONTROL.search(text):
            raise internal("the handler set a header that HTTP does not allow")
    return {name: text for name, text in given.items() if name.lower() not in _NOT_FOR_HANDLERS}


def _is_nothing(value: Payload) -> bool:
    return value.encoding == NULL or value.data in (b"", b"null")
