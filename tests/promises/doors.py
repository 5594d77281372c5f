"""The doors by which a run is started, told and cancelled. A promise is tried at each of them."""

from __future__ import annotations

import asyncio
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runtime import Error, Registry
from runtime.errors import ALREADY_EXISTS, invalid
from runtime.lua.check import lua_checks
from runtime.registry import RegistryError
from runtime.temporal.client.clients import Clients
from runtime.temporal.schedules.checks import schedule_checks
from runtime.temporal.schedules.operations import Schedules
from runtime.temporal.schedules.sync import match
from runtime.testing import Suite, find
from tests.cli.shell import evermoon
from tests.promises.site import Site
from tests.waiting import eventually


@dataclass(frozen=True)
class Start:
    """What is asked of a door. `scope` limits whoever asks; `id` is the run's."""

    entry: str
    input: Any = None
    id: str = field(default_factory=lambda: f"run-{uuid.uuid4()}")
    context: Mapping[str, Any] | None = None
    scope: str | None = None

    @property
    def request(self) -> dict[str, Any]:
        """As the scripts of this project take it."""
        return {"entry": self.entry, "input": self.input, "id": self.id, "context": dict(self.context or {})}


class Door(ABC):
    """A way in. What a door refuses, and what a run fails with, is raised as an `Error`."""

    name: str

    @abstractmethod
    async def begin(self, site: Site, start: Start) -> str:
        """Starts a run; its id."""

    @abstractmethod
    async def send(self, site: Site, run: str, topic: str, value: Any) -> None: ...

    @abstractmethod
    async def cancel(self, site: Site, run: str, reason: str) -> None: ...

    async def result(self, site: Site, run: str) -> Any:
        return await site.runtime.result(run, timeout=300.0)

    async def run(self, site: Site, start: Start) -> Any:
        return await self.result(site, await self.begin(site, start))

    async def told(self, site: Site, start: Start, topic: str, value: Any) -> Any:
        """The result of a run that is sent a message once it waits."""
        run = await self.begin(site, start)
        await eventually(lambda: _waits(site, run), every=0.05)
        await self.send(site, run, topic, value)
        return await self.result(site, run)

    async def canceled(self, site: Site, start: Start, reason: str) -> Any:
        """The result of a run that is cancelled once it waits."""
        run = await self.begin(site, start)
        await eventually(lambda: _waits(site, run), every=0.05)
        await self.cancel(site, run, reason)
        return await self.result(site, run)


async def _waits(site: Site, run: str) -> bool:
    """Whether the run's first task is done."""
    try:
        history = await site.client.get_workflow_handle(run).fetch_history()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False
    return any(event.HasField("workflow_task_completed_event_attributes") for event in history.events)


class CommandLine(Door):
    name = "CLI"

    async def begin(self, site: Site, start: Start) -> str:
        words = [start.entry, json.dumps(start.input), "--id", start.id, "--worker", "p:worker"]
        if start.scope is not None:
            words += ["--actor", "ann", "--scope", start.scope]
        await self._evermoon(site, "start", *words)
        return start.id

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        await self._evermoon(site, "send", run, topic, json.dumps(value))

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        await self._evermoon(site, "cancel", run, "--reason", reason)

    async def _evermoon(self, site: Site, *words: str) -> None:
        arguments = [*words, "--registry", "registry.yaml", "--json"]
        done = await asyncio.to_thread(evermoon, site.directory, *arguments, env=site.environ)
        if done.status != 0:
            failure = json.loads(done.out or done.err)["error"]
            raise Error(failure["kind"], failure["message"], details=failure.get("details"))


class RunsApi(Door):
    name = "runs API"

    async def begin(self, site: Site, start: Start) -> str:
        await site.post(f"/api/v1/workflows/{start.entry}?id={start.id}", start.input, start.scope)
        return start.id

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        await site.post(f"/api/v1/runs/{run}/signals/{topic}", value)

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        await site.post(f"/api/v1/runs/{run}/cancel", {"reason": reason})


class Handler(Door):
    """A handler in Lua, with `process`."""

    name = "Lua handler"

    async def begin(self, site: Site, start: Start) -> str:
        await site.post("/spawn", start.request, start.scope)
        return start.id

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        await site.post("/send", {"run": _pid(run), "topic": topic, "value": value})

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        await site.post("/cancel", {"run": _pid(run), "reason": reason})


def _pid(run: str) -> str:
    return f"{{p:worker|{run}}}"


class Parent(Door):
    """Another workflow, which starts the run as its child and fails as the child does."""

    def __init__(self, name: str, entry: str) -> None:
        self.name, self.entry = name, entry

    async def begin(self, site: Site, start: Start) -> str:
        scope = [start.scope] if start.scope is not None else None
        parent = await site.runtime.start(self.entry, start.request, id=f"{start.id}-parent", scope=scope)
        return parent.id.removesuffix("-parent")

    async def result(self, site: Site, run: str) -> Any:
        return await site.runtime.result(f"{run}-parent", timeout=300.0)

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        await site.runtime.result(
            (await site.runtime.start("p:messenger", {"run": _pid(run), "topic": topic, "value": value})).id
        )

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        await site.runtime.result((await site.runtime.start("p:messenger", {"run": _pid(run), "reason": reason})).id)


class Python(Door):
    name = "Runtime in Python"

    async def begin(self, site: Site, start: Start) -> str:
        scope = [start.scope] if start.scope is not None else None
        await site.runtime.spawn(start.entry, start.input, id=start.id, context=start.context, scope=scope)
        return start.id

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        await site.runtime.send(run, topic, value)

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        await site.runtime.cancel(run, reason)


class PlainClient(Door):
    """A Temporal client that knows nothing of Evermoon."""

    name = "plain Temporal client"

    def queue(self, site: Site) -> str:
        return site.queue

    async def begin(self, site: Site, start: Start) -> str:
        try:
            await site.client.start_workflow(start.entry, start.input, id=start.id, task_queue=self.queue(site))
        except WorkflowAlreadyStartedError as error:
            raise Error(ALREADY_EXISTS, f"{start.id}: {error}") from error
        return start.id

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        await site.client.get_workflow_handle(run).signal(topic, value)

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        await site.client.get_workflow_handle(run).cancel()


class Plugin(PlainClient):
    """The plugin in a worker of somebody's own, reached by a plain client."""

    name = "plugin"

    def queue(self, site: Site) -> str:
        return site.plugin_queue


class Schedule(PlainClient):
    """An entry of the registry of kind `temporal.schedule`, set off once. Its runs are told and cancelled as anybody's are."""

    name = "schedule"

    async def begin(self, site: Site, start: Start) -> str:
        namespace, name = "at", start.id.replace("-", "_")
        entry = {"name": name, "kind": "temporal.schedule", "workflow": start.entry, "cron": "0 0 1 1 *"}
        path = site.directory / f"{name}.yaml"
        path.write_text(
            yaml.safe_dump(
                {"namespace": namespace, "include": "registry.yaml", "entries": [{**entry, "input": [start.input]}]}
            )
        )
        try:
            registry = Registry.load(path, environ=site.environ, checks=[lua_checks, schedule_checks])
        except RegistryError as error:
            raise invalid(str(error)) from error
        clients = Clients(registry)
        await match(registry, clients, frozenset())
        schedules = Schedules(registry, clients)
        await schedules.trigger(f"{namespace}:{name}")
        view = await eventually(lambda: schedules.describe(f"{namespace}:{name}"), lambda found: bool(found.recent))
        return view.recent[0]


class TestStart(Door):
    """`test.start` in a test written in Lua: on the virtual host, with its own clock."""

    name = "test.start"
    __test__ = False

    async def begin(self, site: Site, start: Start) -> str:
        raise NotImplementedError("a run of a test lives as long as the test")

    async def send(self, site: Site, run: str, topic: str, value: Any) -> None:
        raise NotImplementedError

    async def cancel(self, site: Site, run: str, reason: str) -> None:
        raise NotImplementedError

    async def run(self, site: Site, start: Start) -> Any:
        return await self._tried(site, start, "")

    async def told(self, site: Site, start: Start, topic: str, value: Any) -> Any:
        return await self._tried(site, start, f"run:send({_lua(topic)}, {_lua(value)})")

    async def canceled(self, site: Site, start: Start, reason: str) -> Any:
        return await self._tried(site, start, f"run:cancel({_lua(reason)})")

    async def _tried(self, site: Site, start: Start, then: str) -> Any:
        path = site.directory / f"{start.id.replace('-', '_')}_test.lua"
        path.write_text(
            _TEST.format(entry=_lua(start.entry), input=_lua(start.input), context=_lua(start.context or {}), then=then)
        )
        registry = Registry.load(site.directory / "registry.yaml", environ=site.environ)
        suite = Suite(registry, find(path))
        outcome = await asyncio.to_thread(suite.run, suite.cases[0])
        if "ended: " not in outcome.message:
            raise invalid(outcome.message)
        answer = json.loads(outcome.message.partition("ended: ")[2])
        if "error" in answer:
            raise Error.from_wire(answer["error"])
        return answer.get("value")


_TEST = """-- modules: json
local json, test = require("json"), require("test")
return test.describe("a run", function()
  test.it("ends", function()
    local run = test.start({{ entry = {entry}, args = {{ {input} }}, context = {context} }})
    {then}
    local value, err = run:result()
    test.fail("ended: " .. json.encode({{
      value = value,
      error = err and {{ kind = err:kind(), message = err:message(), details = err:details(), stack = err:stack() }},
    }}))
  end)
end)
"""


def _lua(value: Any) -> str:
    """A value as Lua source that reads it."""
    return f"json.decode([==[{json.dumps(value)}]==])"


DOORS: tuple[Door, ...] = (
    CommandLine(),
    RunsApi(),
    Handler(),
    Parent("workflow spawn", "p:parent_spawn"),
    Parent("workflow exec", "p:parent_exec"),
    Python(),
    PlainClient(),
    Schedule(),
    Plugin(),
    TestStart(),
)
