"""A registry written for one test, served by real workers on the real server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client

from runtime.contracts import Message, RunDescription, Started, StartRequest
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.host import ProcessHost
from runtime.process.pids import new_node
from runtime.registry import BundleStore, DirectoryStore, Registry
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.runs import Runs
from runtime.temporal.replay.replayer import ReplayResult, replay
from runtime.temporal.worker.process_queue import ProcessQueues
from runtime.temporal.worker.workers import Workers
from tests.definitions import worker_entries, write_entries
from tests.waiting import eventually
from tests.workers import Watch

MODULES = ["funcs", "time", "process", "workflow", "channel", "errors", "json", "ctx", "uuid", "saga", "logger"]
ACTIVITY_MODULES = ["activity", "errors", "json", "ctx", "time", "process", "funcs"]


class Files:
    """A definition file and its scripts, in a directory, and a bundle store. Queue names are its own, so tests do not meet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "bundles"
        self.bundles: BundleStore = DirectoryStore(self.store)
        self.queue = f"test-{uuid.uuid4()}"
        self._entries = worker_entries(self.queue)

    def workflow(self, name: str, source: str, **fields: Any) -> Files:
        meta = fields.pop("meta", {"temporal": {"workflow": {"worker": "worker"}}})
        return self._script("workflow.lua", name, source, {"modules": MODULES, "meta": meta, **fields})

    def activity(self, name: str, source: str, options: Mapping[str, Any] | None = None, **activity: Any) -> Files:
        meta = {"temporal": {"activity": {"worker": "worker", **activity}}, "options": dict(options or {})}
        return self._script("function.lua", name, source, {"modules": ACTIVITY_MODULES, "meta": meta})

    def function(self, name: str, source: str) -> Files:
        """A function that is no activity."""
        return self._script("function.lua", name, source, {"modules": ACTIVITY_MODULES})

    def entry(self, **fields: Any) -> Files:
        self._entries.append(fields)
        return self

    def client(self, **fields: Any) -> Files:
        self._entries[0].update(fields)
        return self

    def worker(self, **options: Any) -> Files:
        self._entries[1]["worker_options"] = options
        return self

    def without(self, name: str) -> Files:
        self._entries = [entry for entry in self._entries if entry["name"] != name]
        return self

    def load(self) -> Registry:
        return Registry.load(write_entries(self.directory, self._entries, "t"), environ={})

    def _script(self, kind: str, name: str, source: str, fields: Mapping[str, Any]) -> Files:
        (self.directory / f"{name}.lua").write_text(source)
        self.without(name)
        return self.entry(name=name, kind=kind, source=f"file://{name}.lua", **fields)


@dataclass
class Stage:
    """What a test talks to. `client` is a plain Temporal client, as somebody who knows nothing of us would have it."""

    registry: Registry
    runs: Runs
    workers: Workers
    client: Client
    host: ProcessHost
    clients: Clients
    bundles: BundleStore

    async def start(self, name: str, *args: Any, **fields: Any) -> Started:
        messages = [Message(topic, [Payload.of(arg)]) for topic, arg in fields.pop("messages", [])]
        caller = Caller(fields.pop("context", {}), sender=fields.pop("sender", ""))
        request = StartRequest(
            f"t:{name}", [Payload.of(arg) for arg in args], messages=messages, caller=caller, **fields
        )
        return await self.runs.start(request)

    async def result(self, run: Started) -> Any:
        return (await self.runs.result(run.id, 300)).value()

    async def run(self, name: str, *args: Any, **fields: Any) -> Any:
        return await self.result(await self.start(name, *args, **fields))

    async def call(self, name: str, *args: Any) -> Any:
        """Runs a function on this host, outside Temporal."""
        return (await self.host.call(f"t:{name}", [Payload.of(arg) for arg in args])).value()

    async def send(self, run: Started, topic: str, *args: Any) -> None:
        await self.runs.signal(run.id, topic, [Payload.of(arg) for arg in args])

    async def query(self, run: Started, name: str, *args: Any) -> Any:
        return (await self.runs.query(run.id, name, [Payload.of(arg) for arg in args])).value()

    async def update(self, run: Started, name: str, *args: Any) -> Any:
        return (await self.runs.update(run.id, name, [Payload.of(arg) for arg in args])).value()

    async def event_types(self, run: Started) -> list[str]:
        return [event["eventType"].removeprefix("EVENT_TYPE_") for event in (await self.history(run))["events"]]

    async def history(self, run: Started) -> dict[str, Any]:
        return await self.runs.history(run.id)

    async def replay(self, *runs: Started, registry: Registry | None = None) -> list[ReplayResult]:
        registry = registry or self.registry
        return await replay([await self.history(run) for run in runs], registry, Programs(registry, self.bundles))

    async def listed(self, query: str) -> list[RunDescription]:
        """What a visibility query finds, once it finds anything: the server indexes a little later."""

        async def found() -> list[RunDescription]:
            return [item async for item in self.runs.list(query)]

        return await eventually(found, every=0.05)

    async def until(self, run: Started, event: str, count: int = 1) -> None:
        """Waits until the run's history has `count` events of that type."""
        await eventually(lambda: self.event_types(run), lambda types: types.count(event) >= count, every=0.05)

    async def until_state(self, run: str, state: str) -> Any:
        """Waits until the run of that id is in that state; its description."""
        return await eventually(lambda: self.runs.describe(run), lambda described: described.state == state, every=0.1)


@asynccontextmanager
async def staged(
    files: Files, address: str, *, serving: bool = True, new_attributes: bool = False
) -> AsyncIterator[Stage]:
    """Every workflow runs under shadow execution, unless its worker says otherwise.

    Without `serving` it is a node that runs functions and leaves the task queues to others.
    """
    registry = files.load()
    programs = Programs(registry, files.bundles)
    clients = Clients(registry, address=address)
    runs = Runs(registry, clients, programs)
    host = ProcessHost(registry, programs, workflows=runs, node=new_node())
    node = ProcessQueues(clients, host)
    watch = Watch()
    options: dict[str, bool] = {"shadow": True, "new_attributes": new_attributes}
    workers = Workers(registry, clients, programs, host, runs, on_fatal=watch, **options)
    node.start()
    if serving:
        await workers.start()
    try:
        async with watch:
            yield Stage(registry, runs, workers, await Client.connect(address), host, clients, files.bundles)
    finally:
        await workers.stop()
        await node.stop()
        await host.close(0)
