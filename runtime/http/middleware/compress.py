"""The middleware `compress`, for answers that are text and long enough for it to pay. Streams are left alone, or their readers would wait."""

from __future__ import annotations

import asyncio
import gzip

from aiohttp import web

from runtime.http.middleware.chain import Serve
from runtime.http.middleware.options import Compress
from runtime.http.request import vary

_LEVELS = {"fastest": 1, "default": 6, "best": 9}
_TEXTUAL = ("application/json", "application/javascript", "application/xml", "image/svg+xml", "application/x-ndjson")
#: A longer body is compressed on a thread.
_LONG = 64 * 1024


class CompressMiddleware:
    """A middleware that compresses with gzip, for clients that take it."""

    def __init__(self, options: Compress) -> None:
        self._level = _LEVELS[options.level]
        self._min_length = options.min_length

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        response = await serve(request)
        if not isinstance(response, web.Response) or response.prepared or not _is_text(response):
            return response
        vary(response, "Accept-Encoding")
        body = response.body
        if isinstance(body, bytes | bytearray) and len(body) >= self._min_length and takes_gzip(request):
            response.body = await self._compressed(bytes(body))
            response.headers["Content-Encoding"] = "gzip"
        return response

    async def _compressed(self, body: bytes) -> bytes:
        if len(body) <= _LONG:
            return gzip.compress(body, self._level, mtime=0)
        return await asyncio.to_thread(gzip.compress, body, self._level, mtime=0)


def takes_gzip(request: web.BaseRequest) -> bool:
    """Whether `Accept-Encoding` names gzip, or anything, and not with `q=0`."""
    weights: dict[str, bool] = {}
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, parameter = item.partition(";")
        weights[name.strip()] = parameter.replace(" ", "").rstrip("0.") != "q="
    return weights.get("gzip", weights.get("*", False))


def _is_text(response: web.Response) -> bool:
    if "Content-Encoding" in response.headers or "Content-Range" in response.headers:
        return False
    kind = response.content_type
    return kind.startswith("text/") or kind in _TEXTUAL or kind.endswith(("+json", "+xml"))
