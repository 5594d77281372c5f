"""The middleware `ratelimit`, which keeps a token bucket per client."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from runtime.http.middleware.chain import Serve
from runtime.http.middleware.options import Ratelimit
from runtime.http.problem import refuse
from runtime.http.request import client_of, on_head, take_parameter


@dataclass(slots=True)
class Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """The buckets of all clients. A bucket holds `size` tokens and gains `rate` a second; a client of whom too little is remembered begins with a full one."""

    def __init__(self, size: int, rate: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = size
        self._rate = rate
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str) -> tuple[int, float]:
        """Whole tokens left, and 0; or 0 and the seconds until there is one."""
        now = self._clock()
        bucket = self._buckets.setdefault(client, Bucket(self.size, now))
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self.size, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return 0, (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return int(bucket.tokens), 0.0


class RatelimitMiddleware:
    """A middleware that answers 429 with `Retry-After` to a client whose bucket is empty."""

    def __init__(self, options: Ratelimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = options
        rate = options.requests / options.interval.total_seconds()
        self._buckets = Buckets(options.burst or options.requests, rate, options.max_entries, clock)

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        left, wait = self._buckets.take(self._client(request))
        on_head(request, lambda response: self._decorate(response, left))
        if wait:
            seconds = str(math.ceil(wait))
            raise refuse(429, f"too many requests: try again in {seconds} s", headers={"Retry-After": seconds})
        return await serve(request)

    def _decorate(self, response: web.StreamResponse, left: int) -> None:
        response.headers["X-RateLimit-Limit"] = str(self._buckets.size)
        response.headers["X-RateLimit-Remaining"] = str(left)

    def _client(self, request: web.BaseRequest) -> str:
        """By the header or parameter the options name; a client that gives none is known by its address."""
        kind, _, name = self.options.key.partition(":")
        given = (
            request.headers.get(name)
            if kind == "header"
            else take_parameter(request, name)
            if kind == "query"
            else None
        )
        return f"{kind} {given[:200]}" if given else f"ip {client_of(request)}"
