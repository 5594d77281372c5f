"""Starting the recorded workflows and acting on them as any Temporal client would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from runtime import Error, Runtime, errors
from tests.waiting import eventually

REGISTRY = Path(__file__).parent / "registry.yaml"


@dataclass(frozen=True)
class Feature:
    """One workflow of the registry, named like it.

    `events` are event types that its history must have, in this order, though not next to each other: a recording that
    lacks them is not of what it says. `outside` is what happens to the run meanwhile.
    """

    events: Sequence[str]
    gives: Any = None
    """What the run gives: its value, or the kind of the error it fails with."""
    args: Sequence[Any] = ()
    outside: Callable[[Visit], Awaitable[None]] | None = None
    ends: str = "COMPLETED"
    runs: int = 1
    """How many runs the chain has; each is recorded."""
    context: Mapping[str, Any] = field(default_factory=dict)
    actor: Mapping[str, Any] | None = None
    scope: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[str, Any] | None = None
    """A message that comes with the start."""
    schedule: str = ""
    """The schedule that starts it, if one does."""
    recorded_with: Sequence[str] = ()
    """Overrides of the registry that the recording is made with, and a replay is not."""
    superseded: bool = False
    """Whether a run that starts today goes another way: only the recording is left, which must replay for ever."""


@dataclass(frozen=True)
class Visit:
    """Somebody outside who deals with one run."""

    runtime: Runtime
    client: Client
    id: str

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(self.id)

    async def send(self, topic: str, *args: Any) -> None:
        await self.handle.signal(topic, args=args)

    async def update(self, name: str, *args: Any) -> Any:
        return await self.handle.execute_update(name, args=args)

    async def until(self, event: str, count: int = 1) -> None:
        """Waits until the history has that many events of a type."""
        history = partial(self.runtime.history, self.id)
        await eventually(history, lambda told: types(told).count(event) >= count, every=0.05)


def types(history: Mapping[str, Any]) -> list[str]:
    return [event["eventType"].removeprefix("EVENT_TYPE_") for event in history["events"]]


@asynccontextmanager
async def stage(address: str, overrides: Sequence[str] = ()) -> AsyncIterator[tuple[Runtime, Client]]:
    async with Runtime.open(REGISTRY, temporal=address, overrides=overrides, environ={}) as runtime:
        yield runtime, await Client.connect(address)


async def perform(runtime: Runtime, client: Client, name: str, feature: Feature) -> tuple[Any, list[dict[str, Any]]]:
    """Runs one feature to its end: what it gave, and the history of each of its runs."""
    visit = Visit(runtime, client, f"feature-{name}")
    entry = f"features:{name}"
    if feature.first is not None:
        topic, value = feature.first
        await client.start_workflow(
            entry, args=feature.args, id=visit.id, task_queue="features", start_signal=topic, start_signal_args=[value]
        )
        first = (await visit.handle.describe()).run_id
    elif feature.schedule:
        visit = Visit(runtime, client, await _scheduled(runtime, feature.schedule))
        first = (await visit.handle.describe()).run_id
    else:
        whom: dict[str, Any] = {"context": feature.context, "actor": feature.actor, "scope": feature.scope}
        started = await runtime.start(entry, *feature.args, id=visit.id, **whom, **feature.options)
        first = started.run_id
    if feature.outside is not None:
        await feature.outside(visit)
    try:
        gave = await runtime.result(visit.id, timeout=300.0)
    except Error as error:
        gave = error.kind
    return gave, [history async for history in _chain(client, visit.id, first)]


async def _scheduled(runtime: Runtime, schedule: str) -> str:
    """The id of a run that a schedule has started, which the host makes known to the server when it starts."""
    while True:
        try:
            await runtime.schedules.trigger(schedule, "allow_all")
            break
        except Error as error:
            if error.kind != errors.NOT_FOUND:
                raise
        await asyncio.sleep(0.1)
    while True:
        recent = (await runtime.schedules.describe(schedule)).recent
        if recent:
            return recent[-1]
        await asyncio.sleep(0.1)


async def _chain(client: Client, workflow_id: str, run_id: str | None) -> AsyncIterator[dict[str, Any]]:
    while run_id:
        history = (await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()).to_json_dict()
        yield history
        ended = history["events"][-1].get("workflowExecutionContinuedAsNewEventAttributes", {})
        run_id = ended.get("newExecutionRunId")
