"""The outside party: charges, refunds and receipts, each once for a key, and with the moods of a real one. It can be told to hold requests at a point."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

#: What customers are like: what the provider answers, time after time; the last answer stays.
MOODS = {"ann": ["ok"], "moody": ["busy", "busy", "ok"], "poor": ["declined"], "lost": ["charged but busy"]}


class Provider:
    """`charges`, `refunds` and `receipts` are what it did, by key; `calls` how often it was asked to charge."""

    def __init__(self) -> None:
        self.url = ""
        self.charges: Counter[str] = Counter()
        self.refunds: Counter[str] = Counter()
        self.receipts: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._held = ""
        self._reached, self._go = asyncio.Event(), asyncio.Event()

    def hold(self, point: str) -> None:
        """Requests that reach this point wait there: `asked`, `charged`, `committed` or `receipt`."""
        self._held = point
        self._reached.clear()
        self._go.clear()

    async def reached(self) -> None:
        await self._reached.wait()

    def release(self) -> None:
        self._held = ""
        self._go.set()

    async def _at(self, point: str) -> None:
        if point == self._held:
            self._reached.set()
            await self._go.wait()

    async def charge(self, request: web.Request) -> web.Response:
        key, order = request.headers["Idempotency-Key"], await request.json()
        await self._at("asked")
        self.calls[key] += 1
        moods = MOODS.get(order["customer"], ["ok"])
        mood = moods[min(self.calls[key], len(moods)) - 1]
        if mood == "busy":
            return web.json_response({"reason": "the provider is busy"}, status=503)
        if mood == "declined":
            return web.json_response({"reason": "no money"}, status=402)
        _once(self.charges, key)
        await self._at("charged")
        if mood == "charged but busy":
            return web.json_response({"reason": "the answer was lost"}, status=503)
        return web.json_response({"number": 1 + list(self.charges).index(key), "amount": order["amount"]})

    async def refund(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        if key in self.charges:
            _once(self.refunds, key)
        return web.json_response({})

    async def receipt(self, request: web.Request) -> web.Response:
        _once(self.receipts, request.headers["Idempotency-Key"])
        await self._at("receipt")
        return web.json_response({})

    async def point(self, request: web.Request) -> web.Response:
        await self._at(request.match_info["name"])
        return web.json_response({})


def _once(done: Counter[str], key: str) -> None:
    done[key] = 1


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Serving; it ends with what is done inside."""
    made, app = Provider(), web.Application()
    routes = {"/charges": made.charge, "/refunds": made.refund, "/receipts": made.receipt, "/points/{name}": made.point}
    for path, handler in routes.items():
        app.router.add_post(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        made.release()
        await runner.cleanup()
