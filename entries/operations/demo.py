"""`make demo-operations`: payments at a moody provider, by a worker that is killed at every point between accept and finalize.

The last line on standard output is one JSON object with the results. Exits 1, saying why, when a claim does not hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from entries.demo.playing import play, say, title
from entries.demo.shop import expect
from entries.demo.worker import Worker
from entries.operations.provider import Provider, provider
from runtime.cli.process_exit import end_process
from runtime.temporal.dev_server import DevServer

REGISTRY, HTTP = "entries/operations", "operations:http"
PATIENCE = 180.0  # seconds an operation may take before the demo gives up
POLL = 0.2
#: Where the worker is killed, and what has happened by then.
POINTS = {
    "accepted": "the command is accepted, nothing else",
    "asked": "the provider has the request and has not charged",
    "charged": "the provider has charged, nobody knows",
    "committed": "the payment is written down, the activity has not answered",
    "receipt": "the customer has the receipt, the queue does not know",
}

Document = dict[str, Any]


class Desk:
    """The cashier's view: commands out, operations back."""

    def __init__(self, client: aiohttp.ClientSession, worker: Worker, outside: Provider) -> None:
        self._client = client
        self.worker = worker
        self.provider = outside

    async def order(self, key: str, customer: str, budget: str = "10m") -> str:
        """The id of the operation."""
        command = {
            "domain": "payments", "event_type": "payment.requested", "biz_key": customer, "idem_key": key, "payload": {"amount": 1250},
        }  # fmt: skip
        url = f"{self.worker.url}/api/v1/operations/operations:charge?timeout={budget}"
        async with self._client.post(url, json=command) as response:
            answer = await response.json()
            expect(f"POST /api/v1/operations for {key}: {answer}", response.status, 202)
        say(f"POST /api/v1/operations/operations:charge -> 202 {answer['op_id']}, {answer['state']}")
        return str(answer["op_id"])

    async def ended(self, op: str) -> Document:
        found = await self._until(lambda: self._look(op), lambda seen: seen.get("state") in ("COMPLETED", "FAILED"))
        for one in found["attempts"]:
            said = f": {one['message']}" if one.get("message") else ""
            say(f"{one['activity']} attempt {one.get('attempt', 'to come')} -> {one['outcome']}{said}")
        say(f"{found['state']} ({found['status']})")
        return found

    async def receipt(self, op: str) -> None:
        async def look() -> Document:
            return {"there": op in self.provider.receipts}

        await self._until(look, lambda seen: bool(seen["there"]))

    async def _look(self, op: str) -> Document:
        async with self._client.get(f"{self.worker.url}/api/v1/operations/{op}") as response:
            return dict(await response.json(content_type=None))

    async def _until(self, look: Callable[[], Any], holds: Callable[[Document], bool]) -> Document:
        async with asyncio.timeout(PATIENCE):
            while True:
                found: Document = await look()
                if holds(found):
                    return found
                await asyncio.sleep(POLL)


def outcomes(found: Document, activity: str = "operations:ask") -> list[str]:
    return [one["outcome"] for one in found["attempts"] if one["activity"] == activity]


async def paid(desk: Desk) -> Document:
    op = await desk.order("a", "ann")
    again = await desk.order("a", "ann")
    expect("the same command is the same operation", again, op)
    found = await desk.ended(op)
    expect("it is paid", (found["state"], outcomes(found)), ("COMPLETED", ["ok"]))
    await desk.receipt(op)
    return found


async def moody(desk: Desk) -> Document:
    op = await desk.order("b", "moody")
    found = await desk.ended(op)
    await desk.receipt(op)
    expect("every attempt is told", (found["state"], outcomes(found)), ("COMPLETED", ["retry", "retry", "ok"]))
    return found


async def declined(desk: Desk) -> Document:
    op = await desk.order("c", "poor")
    found = await desk.ended(op)
    expect(
        "it is declined", (found["state"], found["error"]["kind"], outcomes(found)), ("FAILED", "Declined", ["fail"])
    )
    expect("nothing was charged", (desk.provider.charges.get(op, 0), desk.provider.refunds.get(op, 0)), (0, 0))
    return found


async def out_of_time(desk: Desk) -> Document:
    op = await desk.order("d", "lost", budget="4s")
    found = await desk.ended(op)
    expect("its time is spent", (found["state"], found["status"]), ("FAILED", "TIMED_OUT"))
    expect("it never succeeded", "ok" in outcomes(found), False)
    expect("the money was given back", (desk.provider.charges.get(op, 0), desk.provider.refunds.get(op, 0)), (1, 1))
    return found


async def killed(desk: Desk, point: str) -> Document:
    """One worker dies at a point, another goes on."""
    desk.provider.hold(point)
    op = await desk.order(f"killed-{point}", "ann")
    if point != "accepted":
        async with asyncio.timeout(PATIENCE):
            await desk.provider.reached()
    say(f"{POINTS[point]}; kill -9 {desk.worker.pid}")
    await desk.worker.kill()
    desk.provider.release()
    await desk.worker.start()
    say(f"a new worker: {desk.worker.pid}")
    found = await desk.ended(op)
    await desk.receipt(op)
    expect("it is paid", (found["state"], outcomes(found)[-1]), ("COMPLETED", "ok"))
    done = [counter.get(op, 0) for counter in (desk.provider.charges, desk.provider.receipts, desk.provider.refunds)]
    expect("one charge, one receipt, no refund", done, [1, 1, 0])
    lost = ["lost", "ok"]
    may_be = {
        "accepted": (["ok"], lost),
        "asked": (lost,),
        "charged": (lost,),
    }  # as soon as it is accepted it may be asked
    expect("each attempt to ask is told", outcomes(found) in may_be.get(point, (["ok"],)), True)
    finalized = outcomes(found, "operations:finalize")
    expect("each attempt to finalize is told", finalized, lost if point == "committed" else ["ok"])
    return found


@asynccontextmanager
async def stage(state: Path) -> AsyncIterator[Desk]:
    title("Starting")
    async with DevServer() as server, provider() as outside, aiohttp.ClientSession() as client:
        say(f"Temporal {server.address}, its UI {server.ui_url}; the provider {outside.url}")
        environ = {
            "TEMPORAL_ADDRESS": server.address, "PROVIDER_URL": outside.url, "OPERATIONS_DB": str(state / "operations.db"),
            "EVERMOON_STATE": str(state / "evermoon"),
        }  # fmt: skip
        worker = Worker(environ, state / "worker.log", registry=REGISTRY, http=HTTP)
        try:
            await worker.start()
            say(f"worker {worker.url} (process {worker.pid})")
            yield Desk(client, worker, outside)
        finally:
            await worker.stop()


async def show(state: Path) -> Document:
    report: Document = {}
    async with stage(state) as desk:
        for name, text, scenario in (
            ("paid", "A payment, asked for twice and made once", paid),
            ("moody", "A provider that is busy: each attempt is kept", moody),
            ("declined", "One that is declined", declined),
            ("out_of_time", "One whose time is spent: the money goes back", out_of_time),
        ):
            title(text)
            report[name] = await scenario(desk)
        for point in POINTS:
            title(f"The worker is killed: {point}")
            report[point] = await killed(desk, point)
        title("Altogether")
        done = {found["op_id"] for found in report.values() if found["state"] == "COMPLETED"}
        expect(
            "nothing was charged under another key", set(desk.provider.charges), done | {report["out_of_time"]["op_id"]}
        )
        expect("no receipt has another key", set(desk.provider.receipts), done)
        say(f"{len(done)} payments, {len(done)} charges that were kept, {len(done)} receipts")
        title("Stopping")
    return report


if __name__ == "__main__":
    end_process(asyncio.run(play(show)))
