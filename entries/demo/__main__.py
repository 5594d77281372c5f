"""Starts a Temporal server, the four services and a worker, shows five orders, and stops everything.

The last line on standard output is one JSON object with the results. Exits 1, saying why, when a claim does not hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from entries.demo import scenarios
from entries.demo.playing import play, say, title
from entries.demo.shop import Shop
from entries.demo.worker import Worker
from entries.services.supervisor import VARIABLES, services
from runtime.cli.process_exit import end_process
from runtime.temporal.dev_server import DevServer


@asynccontextmanager
async def stage(state: Path) -> AsyncIterator[tuple[Shop, Worker]]:
    """Everything the demo needs, running; gone when it is left."""
    title("Starting")
    async with DevServer() as server, services(state) as running:
        say(f"Temporal {server.address}, its UI {server.ui_url}")
        say(f"services {', '.join(f'{service.name} (process {service.process.pid})' for service in running.values())}")
        environ = {VARIABLES[service.name]: service.url for service in running.values()}
        worker = Worker(
            {**environ, "TEMPORAL_ADDRESS": server.address, "SHOP_DB": str(state / "shop.db")}, state / "worker.log"
        )
        try:
            await worker.start()
            say(f"worker {worker.url} (process {worker.pid})")
            async with aiohttp.ClientSession() as client:
                urls = {service.name: service.url for service in running.values()}
                yield Shop(client, worker, urls, say), worker
        finally:
            await worker.stop()


async def show(state: Path) -> dict[str, Any]:
    report: dict[str, Any] = {}
    async with stage(state) as (shop, worker):
        title("(a) An order that completes")
        report["completed"] = await scenarios.completed(shop)
        title("(b) Out of stock: three attempts, then what was done is undone")
        report["out_of_stock"] = await scenarios.out_of_stock(shop)
        title("(c) The payment is declined: refund, cancel the reservation, cancel the order")
        report["compensated"] = await scenarios.compensated(shop)
        title("(d) A large order waits until somebody approves it")
        report["approved"] = await scenarios.approved(shop)
        title("(e) The worker is killed while it pays")
        report["crash"] = await scenarios.crash(shop, worker, say)
        title("Stopping")
    return report


if __name__ == "__main__":
    end_process(asyncio.run(play(show)))
