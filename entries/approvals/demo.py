"""`make demo-approvals`: four approvals on a real Temporal server, with waits of seconds where there are days otherwise.

The last line on standard output is one JSON object with the results. Exits 1, saying why, when a claim does not hold.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from entries.demo.playing import play, say, title
from entries.demo.shop import expect
from entries.demo.worker import Worker
from runtime.cli.process_exit import end_process
from runtime.temporal.dev_server import DevServer

REGISTRY = "entries/approvals"
REMIND_EVERY = "3s"
EXPIRE_AFTER = "8s"  # of the one that expires; the others wait for a week
PATIENCE = 120.0  # seconds an approval may take before the demo gives up
POLL = 0.2
BUSY = (503, 504)  # a run whose worker has just been lost answers no queries until another has it

Approval = dict[str, Any]


class Office:
    """The service as a browser and a client of its HTTP interface see it."""

    def __init__(self, client: aiohttp.ClientSession, worker: Worker) -> None:
        self._client = client
        self._worker = worker
        self.seen: dict[str, list[str]] = {}  # statuses by id, as the live list told them

    async def ask(self, id: str, title: str, by: str, **more: Any) -> None:
        request = {"id": id, "title": title, "requester": by, "approver": "bob", "manager": "cleo", **more}
        status, answer = await self._post("/approvals", request)
        expect(f"POST /approvals for {id}: {answer}", status, 202)
        say(f'POST /approvals -> 202: {by} asks bob for "{title}"')

    async def decide(self, id: str, what: str, by: str, why: str, wanted: int = 202) -> None:
        status, answer = await self._post(f"/approvals/{id}/{what}", {"by": by, "why": why})
        expect(f"POST /approvals/{id}/{what}: {answer}", status, wanted)
        said = "a signal to the run" if status == 202 else answer["detail"]
        say(f"POST /approvals/{id}/{what} by {by} -> {status}: {said}")

    async def state(self, id: str) -> Approval:
        """What the run answers to the query `state`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._client.get(f"{self._worker.url}/approvals/{id}") as response:
                    approval = await response.json()
                    if response.status not in BUSY:
                        expect(f"GET /approvals/{id}: {approval}", response.status, 200)
                        return dict(approval)
                await asyncio.sleep(POLL)

    async def until(self, id: str, **wanted: Any) -> Approval:
        """The approval as soon as its fields are as wished; numbers may be larger."""
        async with asyncio.timeout(PATIENCE):
            while True:
                approval = await self.state(id)
                if all(_reached(approval.get(name), value) for name, value in wanted.items()):
                    return approval
                await asyncio.sleep(POLL)

    async def listed(self, id: str) -> Approval | None:
        """The approval in the live list; None when it is not there, or the list is not up."""
        async with self._client.get(f"{self._worker.url}/approvals") as response:
            if response.status != 200:
                return None
            found = {approval["id"]: approval for approval in (await response.json())["approvals"]}
            return found.get(id)

    async def live(self, id: str, status: str) -> None:
        """Returns when somebody who looks at the live list has been told."""
        async with asyncio.timeout(PATIENCE):
            while status not in self.seen.get(id, []):  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(POLL)

    async def follow(self) -> None:
        """`GET /approvals/live`, for ever, as a browser does: when the connection ends it begins anew."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._client.get(f"{self._worker.url}/approvals/live") as response:
                    name = ""
                    async for line in response.content:
                        field, _, value = line.decode().rstrip("\n").partition(": ")
                        if field == "event":
                            name = value
                        elif field == "data":
                            self._told(name, json.loads(value))
            await asyncio.sleep(POLL)

    def _told(self, event: str, data: Any) -> None:
        if event == "letter":
            say(f"  live: a letter to {data['to']}: {data['subject']}")
        for approval in data["approvals"] if event == "list" else [data] if event == "approval" else []:
            seen = self.seen.setdefault(approval["id"], [])
            if approval["status"] not in seen:
                seen.append(approval["status"])
                say(f"  live: {approval['title']}: {approval['status']}")

    async def _post(self, path: str, body: Any) -> tuple[int, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._client.post(self._worker.url + path, json=body) as response:
                    if response.status not in BUSY:
                        return response.status, await response.json(content_type=None)
                await asyncio.sleep(POLL)


def _reached(value: Any, wanted: Any) -> bool:
    return bool(value >= wanted if isinstance(wanted, int) else value == wanted)


@asynccontextmanager
async def stage(state: Path) -> AsyncIterator[tuple[Office, Worker]]:
    """Everything the demo needs, running; gone when it is left."""
    title("Starting")
    async with DevServer() as server:
        say(f"Temporal {server.address}, its UI {server.ui_url}")
        environ = {
            "TEMPORAL_ADDRESS": server.address,
            "APPROVALS_DB": str(state / "approvals.db"),
            "APPROVAL_REMIND_EVERY": REMIND_EVERY,
            "EVERMOON_BUNDLES": str(state / "bundles"),
        }
        worker = Worker(environ, state / "worker.log", REGISTRY, "approvals:http")
        try:
            await worker.start()
            say(f"host {worker.url} (process {worker.pid}); open it in a browser")
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=10)) as client:
                office = Office(client, worker)
                following = asyncio.create_task(office.follow())
                try:
                    yield office, worker
                finally:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
        finally:
            await worker.stop()


async def approved(office: Office) -> Approval:
    await office.until("laptop", reminders=1)
    await office.decide("laptop", "approve", "bob", "the old one is six years old")
    approval = await office.until("laptop", status="approved")
    expect("who approved", (approval["decided_by"], approval["reminders"] >= 1), ("bob", True))
    await office.live("laptop", "approved")
    return approval


async def rejected(office: Office) -> Approval:
    await office.decide("espresso", "approve", "dan", "I need it", wanted=403)
    await office.decide("espresso", "reject", "bob", "there are two already")
    approval = await office.until("espresso", status="rejected")
    expect("the reason is kept", approval["why"], "there are two already")
    await office.decide("espresso", "approve", "bob", "or should we?", wanted=409)
    await office.live("espresso", "rejected")
    return approval


async def expired(office: Office) -> Approval:
    approval = await office.until("bergen", status="expired")
    expect("nobody decided", approval.get("decided_by"), None)
    await office.live("bergen", "expired")
    return approval


async def survived(office: Office, worker: Worker) -> Approval:
    await office.ask("desk", "Standing desk", "eve")
    await office.until("desk", reminders=1)
    before = await office.state("desk")
    say(f"kill -9 {worker.pid}: no host, no live list; the timers run on in Temporal")
    await worker.kill()
    await worker.start()
    say(f"a new host: {worker.url} (process {worker.pid})")
    async with asyncio.timeout(PATIENCE):
        while (listed := await office.listed("desk")) is None:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(POLL)
    expect("the rebuilt list has it, and it waits", listed["status"], "waiting")
    after = await office.until("desk", reminders=before["reminders"] + 1)
    expect("it is the same wait", after["expires_at"], before["expires_at"])
    await office.decide("desk", "approve", "cleo", "good for the back")
    approval = await office.until("desk", status="approved")
    await office.live("desk", "approved")
    return approval


async def show(state: Path) -> dict[str, Any]:
    report: dict[str, Any] = {}
    async with stage(state) as (office, worker):
        title("Three people ask")
        await office.ask("laptop", "New laptop", "ann")
        await office.ask("espresso", "Third espresso machine", "dan")
        await office.ask("bergen", "Conference in Bergen", "fay", policy={"expire_after": EXPIRE_AFTER})
        title("(a) Approved, after a reminder")
        report["approved"] = await approved(office)
        title("(b) Rejected, by somebody who was asked")
        report["rejected"] = await rejected(office)
        title(f"(c) Nobody decides within {EXPIRE_AFTER}: it expires")
        report["expired"] = await expired(office)
        title("(d) The host is killed while one waits")
        report["survived"] = await survived(office, worker)
        title("Stopping")
    return report


if __name__ == "__main__":
    end_process(asyncio.run(play(show)))
