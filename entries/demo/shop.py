"""The shop as a customer, its staff and the demo's own checks see it: over HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from entries.demo.worker import Worker

Say = Callable[[str], None]

POLL = 0.25  # seconds between two looks at a run
PATIENCE = 120.0  # seconds a run may take before the demo gives up


class Unexpected(Exception):
    """Something the demo claims did not happen."""


def expect(claim: str, seen: Any, expected: Any) -> None:
    if seen != expected:
        raise Unexpected(f"{claim}: expected {expected!r}, saw {seen!r}")


class Shop:
    def __init__(self, client: aiohttp.ClientSession, worker: Worker, services: Mapping[str, str], say: Say) -> None:
        self._client = client
        self._worker = worker
        self._services = services
        self._say = say

    async def order(self, id: str, sku: str, quantity: int, price: int, customer: str = "ann") -> str:
        """Places an order; its id, which is also the workflow's. Prices are in cents."""
        order = {"id": id, "customer": customer, "items": [{"sku": sku, "quantity": quantity, "price": price}]}
        status, answer = await self._ask("POST", f"{self._worker.url}/orders", order)
        expect(f"POST /orders for {id}: {answer}", status, 202)
        self._say(f"POST /orders -> 202, {answer['pid']}, {answer['amount'] / 100:.2f}")
        return id

    async def approve(self, id: str, by: str) -> None:
        status, answer = await self._ask("POST", f"{self._worker.url}/orders/{id}/approve", {"by": by})
        expect(f"POST /orders/{id}/approve: {answer}", status, 202)
        self._say(f"POST /orders/{id}/approve -> 202: process.send delivered the message")

    async def result(self, id: str) -> dict[str, Any]:
        """Follows the run until it ends; what it returned."""
        await self.follow(id, lambda run: run["status"] != "RUNNING")
        status, answer = await self._ask("GET", f"{self._worker.url}/api/v1/runs/{id}/result?wait=30")
        expect(f"the result of {id}: {answer}", status, 200)
        for line in _outcome(answer):
            self._say(line)
        return dict(answer)

    async def follow(self, id: str, until: Callable[[dict[str, Any]], bool]) -> None:
        """Says what the run is at whenever that changes, until it is as wished."""
        said = ""
        async with asyncio.timeout(PATIENCE):
            while True:
                status, run = await self._ask("GET", f"{self._worker.url}/api/v1/runs/{id}")
                expect(f"GET /api/v1/runs/{id}: {run}", status, 200)
                if (line := _progress(run)) and line != said:
                    self._say(line)
                    said = line
                if until(run):
                    return
                await asyncio.sleep(POLL)

    async def calls(self, service: str, operation: str, saga: str) -> list[str]:
        """How each call of an operation ended that the service got for a saga: done, repeated or refused."""
        _, calls = await self._ask("GET", f"{self._services[service]}/calls?operation={operation}&saga_id={saga}")
        return [call["outcome"] for call in calls]

    async def order_status(self, id: str) -> str:
        """As `GET /orders/{id}` says, which is written in Lua and asks the order service."""
        _, order = await self._ask("GET", f"{self._worker.url}/orders/{id}")
        return str(order.get("status"))

    async def payments(self, saga: str) -> list[dict[str, Any]]:
        _, payments = await self._ask("GET", f"{self._services['payment']}/payments?saga_id={saga}")
        return list(payments)

    async def delay_gateway(self, seconds: float) -> None:
        status, answer = await self._ask("PUT", f"{self._services['payment']}/gateway", {"delay": seconds})
        expect(f"slowing the gateway: {answer}", status, 200)

    async def gateway_is_busy(self) -> None:
        """Returns when the gateway has a call in its hands."""
        async with asyncio.timeout(PATIENCE):
            while True:
                _, gateway = await self._ask("GET", f"{self._services['payment']}/gateway")
                if gateway["busy"]:
                    return
                await asyncio.sleep(0.05)

    async def _ask(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        headers = {"X-Idempotency-Key": uuid.uuid4().hex}
        async with self._client.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)


def _progress(run: Mapping[str, Any]) -> str:
    line = str(run["details"] or "")
    for activity in run["pending"]:
        if activity["attempt"] > 1:
            failure = (activity["last_failure"] or {}).get("message", "")
            line = f"{line} (attempt {activity['attempt']}; before: {failure})"
    return line


def _outcome(result: Mapping[str, Any]) -> list[str]:
    if result["success"]:
        return [f"result: {result['status']}, paid by {result['payment_id']}"]
    return [
        f"result: {result['status']} at {result['step']}: {result['error']}",
        f"done:   {', '.join(result['steps'])}",
        f"undone: {', '.join(result['compensations'])}",
    ]
