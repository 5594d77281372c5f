"""The reading of request bodies: bounded, timed, and JSON only where JSON is asked for."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from aiohttp import web

from runtime.http.problem import ProblemResponse, refuse
from runtime.payload import JSON, Payload
from runtime.process.operations import value_digest

#: As deep as a value may nest at any boundary with a script.
MAX_DEPTH = 128

#: As much as one read of an arriving body gives.
_MOST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON body. `payload` holds the text as it came (so numbers reach the script as written), `value` the same decoded.

    Both are None when the request had no body.
    """

    payload: Payload | None
    value: Any

    @property
    def args(self) -> list[Payload]:
        return [] if self.payload is None else [self.payload]

    def digest(self) -> str:
        """Equal for equal JSON values, whatever their spelling: key order, white space, `1` or `1.0`."""
        if self.payload is None:
            return "none"
        return value_digest(self.value)


async def read(request: web.BaseRequest, timeout: float) -> bytes:
    """The whole body. Answers 413 over the service's limit, 408 when it takes longer than `timeout` seconds."""
    if (request.content_length or 0) > request.client_max_size:
        raise _too_large(request)
    try:
        async with asyncio.timeout(timeout):
            await _invite(request)
            return await request.read()
    except TimeoutError:
        raise _too_slow(timeout) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(request) from None
    except web.RequestPayloadError:
        raise _cut_short() from None


class Arriving:
    """A body that is read as it arrives: memory holds no more than what was asked for.

    `limit` bounds the whole of it; each part has to come within `timeout` seconds. `fault` is the problem that ended the reading.
    """

    def __init__(self, request: web.BaseRequest, timeout: float) -> None:
        self._request = request
        self._timeout = timeout
        self._arrived = 0
        self._invited = False
        self.fault: ProblemResponse | None = None
        if (request.content_length or 0) > request.client_max_size:
            raise _too_large(request)

    async def beginning(self, size: int) -> bytes:
        """The first `size` bytes, or all of it when it is no longer than that. Answers 408, 413 and 400 as `read` does."""
        data = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                while len(data) < size and (chunk := await self._next(size - len(data))):
                    data += chunk
        except TimeoutError:
            raise _too_slow(self._timeout) from None
        return bytes(data)

    @property
    def at_end(self) -> bool:
        return self._request.content.at_eof()

    async def more(self, size: int) -> bytes:
        """At most `size` bytes more, none at the end. Raises the `Error` of its `fault`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._next(max(1, min(size, _MOST)))
        except TimeoutError:
            self.fault = _too_slow(self._timeout)
        except ProblemResponse as problem:
            self.fault = problem
        raise self.fault.error

    async def _next(self, size: int) -> bytes:
        if not self._invited:
            self._invited = True
            await _invite(self._request)
        try:
            data = await self._request.content.read(size)
        except (web.RequestPayloadError, ConnectionError):
            raise _cut_short() from None
        self._arrived += len(data)
        if self._arrived > self._request.client_max_size:
            raise _too_large(self._request)
        return data


async def read_json(request: web.BaseRequest, timeout: float) -> JsonBody:
    """The body as JSON. Answers 415 for another content type or none, 400 for what is not strict JSON in UTF-8."""
    data = await read(request, timeout)
    if not data:
        return JsonBody(None, None)
    _require_json(request)
    return JsonBody(Payload(JSON, data), parse(data))


def parse(data: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN or infinities, no lone surrogates, at most `MAX_DEPTH` deep. Raises `ProblemResponse` 400."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(400, f"the body is not UTF-8: byte {error.start} is invalid", offset=error.start) from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_parse_float)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise refuse(
            400, f"the body is not JSON: {error.msg} at {place}", line=error.lineno, column=error.colno
        ) from None
    except (RecursionError, ValueError):
        message = f"the body is not acceptable JSON: nested deeper than {MAX_DEPTH}, or a number of too many digits"
        raise refuse(400, message) from None
    _check(value, 1)
    return value


async def _invite(request: web.BaseRequest) -> None:
    """Tells a client that waits for leave to send its body that it may."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer proper has not begun


def _too_large(request: web.BaseRequest) -> ProblemResponse:
    limit = request.client_max_size
    return refuse(413, f"the body is larger than {limit} bytes", max_body=limit)


def _too_slow(timeout: float) -> ProblemResponse:
    return refuse(408, f"the body did not arrive within {timeout:g} s")


def _cut_short() -> ProblemResponse:
    return refuse(400, "the body did not arrive whole")


def _require_json(request: web.BaseRequest) -> None:
    if "Content-Type" not in request.headers:  # which a page may send anywhere, without asking
        raise refuse(415, "the body must be application/json, and its Content-Type has to say so")
    kind = request.content_type
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise refuse(415, f"the body must be application/json, not {kind}", content_type=kind)
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise refuse(415, f"JSON is UTF-8, not {request.charset}", charset=request.charset)


def _refuse_constant(name: str) -> NoReturn:
    raise refuse(400, f"{name} is not JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise refuse(400, f"the number {text[:40]} is too large")
    return value


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict | list) and depth > MAX_DEPTH:
        raise refuse(400, f"the body is nested deeper than {MAX_DEPTH}")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refuse(400, "a string holds half of a surrogate pair") from None
