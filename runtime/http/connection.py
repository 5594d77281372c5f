"""The connection level of aiohttp, bent to Evermoon's answers: what is no HTTP at all gets a problem too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from runtime.errors import Error
from runtime.http import problem
from runtime.http.request import Request, on_head

SERVER = "evermoon"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_log = logging.getLogger("evermoon.http")
_access = logging.getLogger("evermoon.http.access")


class Protocol(web.RequestHandler):
    """One connection. `head` is how many seconds its first request may take to send its head."""

    def __init__(self, manager: web.Server, head: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head = head
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_timer = asyncio.get_running_loop().call_later(self._head, self._give_up, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_arrived()
        super().connection_lost(exc)

    def head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()

    def _give_up(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was under way when its handler failed")
        if status >= 500:
            _log.error("a request failed in the server", exc_info=exc)
        answer = problem.from_status(status, "/")
        answer.headers["Server"] = SERVER
        answer.force_close()
        return answer


class Server(web.Server):
    """The server of aiohttp over one handler, with its own body limit (bytes), time for a first head and keep-alive time (seconds).

    A handler whose client goes away is cancelled.
    """

    def __init__(self, handler: Handler, max_body: int, *, head: float, idle: float) -> None:
        super().__init__(guarded(handler), request_factory=self._request, handler_cancellation=True)
        self._max_body = max_body
        self._head = head
        self._idle = idle

    def adjust(self, max_body: int, *, head: float, idle: float) -> None:
        self._max_body, self._head, self._idle = max_body, head, idle

    def __call__(self) -> Protocol:
        return Protocol(self, self._head, loop=self._loop, access_log=_access, keepalive_timeout=self._idle)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        protocol.head_arrived()
        request = Request(message, payload, protocol, writer, task, loop, client_max_size=self._max_body)
        on_head(request, _name_the_server)
        return request


def _name_the_server(response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def guarded(handler: Handler) -> Handler:
    """`handler` with every failure turned into a problem."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except problem.ProblemResponse as error:
            return problem.answer(error, request.path)
        except Error as error:
            return problem.response(error, request.path)
        except web.HTTPException as error:
            return problem.from_status(error.status, request.path)
        except ConnectionError:
            raise
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            return problem.from_status(500, request.path)

    return answer
