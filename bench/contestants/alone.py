"""A contestant without a server: ``python -m bench.contestants.alone NAME DIRECTORY``. Nothing else goes on in the process, so its
processor time is that of what it is asked to do.

It is reached by the doors an SDK's user has: `Replayer`, `LuaPlugin`, and `WorkflowRunner` as the worker calls it. What the worker would give
a runner (`WorkflowInstanceDetails`, activations) is overheard in a replay.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowInstance

from bench.contestants import lines, ordinary
from bench.contestants.listening import Ear, Told
from bench.contestants.served import REGISTRY, runner
from bench.contestants.workflows import WORKFLOWS
from runtime.temporal.worker.plugin import LuaPlugin


class Alone:
    """Histories are files; each was recorded from a run of the same contestant."""

    def __init__(self, name: str, directory: Path) -> None:
        self._name = name
        self._python = name in ("un", "sb")
        self._plugin = None if self._python else LuaPlugin(REGISTRY / "registry.yaml", environ={}, bundles=directory / "bundles")  # fmt: skip
        self._threads = ThreadPoolExecutor(2)
        self._told: dict[str, Told] = {}

    def _replayer(self, told: Told | None = None) -> Replayer:
        """As a worker is set up; with `told`, one that listens."""
        plugins: list[Any] = [self._plugin] if self._plugin is not None else []
        if told is not None:
            plugins.append(Ear(told))
        return Replayer(
            workflows=WORKFLOWS if self._python else [],
            workflow_runner=runner("un" if self._name == "un" else "sb"),
            workflow_task_executor=self._threads,
            plugins=plugins,
        )

    async def replay(self, history: str) -> float:
        """Seconds of processor time."""
        parsed, replayer = _read(history), self._replayer()
        begun = time.process_time()
        await replayer.replay_workflow(parsed)
        return time.process_time() - begun

    async def _listen(self, history: str) -> Told:
        if history not in self._told:
            told = self._told[history] = Told()
            await self._replayer(told).replay_workflow(_read(history))
        return self._told[history]

    async def instance(self, history: str, count: int) -> float:
        """Seconds for an instance made and given all activations of its history, from nothing to its end. Its removal is not in it."""
        told = await self._listen(history)
        instances, seconds = told.made(count)
        return (seconds + await self._on_thread(_lives, instances, told.activations)) / count

    async def update(self, history: str, value: Any, count: int) -> float:
        """Seconds that a value adds to an update which answers with it, on an instance that waits: the median of `count` updates, each
        less one with `null` right after it."""
        told = await self._listen(history)
        (instance,), _ = told.made(1)
        return await self._on_thread(_updates, instance, _start(told, None), value, count)

    async def plain(self, value: Any, count: int) -> float:
        """Seconds that Python's own JSON takes to read and write the value, the median of `count` times."""
        data, seconds = json.dumps(value), []
        for _ in range(count):
            begun = time.thread_time()
            data = json.dumps(json.loads(data))
            seconds.append(time.thread_time() - begun)
        return statistics.median(seconds)

    async def signals(self, history: str, args: Sequence[Any], count: int, each: int = 1) -> float:
        """Seconds for a signal, `each` with one activation, on an instance of the history's workflow begun with other arguments."""
        told = await self._listen(history)
        (instance,), _ = told.made(1)
        return await self._on_thread(_messages, instance, _start(told, args), count, each)

    async def ordinary(self, history: str, item: str, count: int) -> float:
        """Seconds for `count` turns of an item of ordinary Lua, in the first step of a run."""
        told = await self._listen(history)
        (instance,), seconds = told.made(1)
        return seconds + await self._on_thread(_ordinary, instance, _start(told, [item, count]), item)

    async def _on_thread(self, work: Callable[..., float], *args: Any) -> float:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    async def unsealed(self, item: str, count: int) -> float:
        """The same in Lua as it is."""
        return ordinary.plain(item, count)


def _lives(instances: Sequence[WorkflowInstance], activations: Sequence[bytes]) -> float:
    seconds = 0.0
    for instance in instances:
        given = [WorkflowActivation.FromString(data) for data in activations]
        begun = time.thread_time()
        for activation in given:
            instance.activate(activation)
        seconds += time.thread_time() - begun
        _remove(instance, given[-1])
    return seconds


def _updates(instance: WorkflowInstance, first: WorkflowActivation, value: Any, count: int) -> float:
    instance.activate(first)
    differences = []
    for number in range(count):
        whole, answer = _timed(instance, _update(first, 2 * number, json.dumps(value).encode()))
        differences.append(whole - _timed(instance, _update(first, 2 * number + 1, b"null"))[0])
        completed = answer.successful.commands[-1].update_response.completed
        if json.loads(completed.data or b"null") != value:
            raise RuntimeError(f"the update answered {answer}")
    _remove(instance, first)
    return statistics.median(differences)


def _timed(instance: WorkflowInstance, activation: WorkflowActivation) -> tuple[float, Any]:
    begun = time.thread_time()
    answer = instance.activate(activation)
    return time.thread_time() - begun, answer


def _messages(instance: WorkflowInstance, first: WorkflowActivation, count: int, each: int) -> float:
    answers, seconds = _activated(instance, first, [_signals(first, each) for _ in range(count)])
    if not answers[-1].HasField("successful"):
        raise RuntimeError(f"a signal failed: {answers[-1]}")
    return seconds / count / each


def _ordinary(instance: WorkflowInstance, first: WorkflowActivation, item: str) -> float:
    begun = time.thread_time()
    answer = instance.activate(first)
    seconds = time.thread_time() - begun
    _remove(instance, first)
    if not any(command.HasField("complete_workflow_execution") for command in answer.successful.commands):
        failed = [command.fail_workflow_execution.failure.message for command in answer.successful.commands]
        raise RuntimeError(f"{item} did not end: {failed or answer.failed.failure.message}")
    return seconds


def _activated(
    instance: WorkflowInstance, first: WorkflowActivation, given: Sequence[WorkflowActivation]
) -> tuple[list[Any], float]:
    """The answers to what comes after the first activation, and the seconds for them all."""
    instance.activate(first)
    begun = time.thread_time()
    answers = [instance.activate(activation) for activation in given]
    seconds = time.thread_time() - begun
    _remove(instance, first)
    return answers, seconds


def _read(history: str) -> WorkflowHistory:
    return WorkflowHistory.from_json("bench", Path(history).read_text())


def _start(told: Told, args: Sequence[Any] | None) -> WorkflowActivation:
    """The activation that starts a run, live, with other arguments where there are any."""
    activation = WorkflowActivation.FromString(told.activations[0])
    activation.is_replaying = False
    if args is not None:
        start = next(job.initialize_workflow for job in activation.jobs if job.HasField("initialize_workflow"))
        del start.arguments[:]
        for value in args:
            start.arguments.add(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
    return activation


def _next(first: WorkflowActivation) -> WorkflowActivation:
    """An empty activation of a run that has begun."""
    return WorkflowActivation(run_id=first.run_id, timestamp=first.timestamp, history_length=first.history_length + 3)


def _update(first: WorkflowActivation, number: int, data: bytes) -> WorkflowActivation:
    activation = _next(first)
    job = activation.jobs.add().do_update
    job.id, job.name, job.protocol_instance_id = (
        f"u{number}",
        "echo",
        f"u{number}",
    )  # no validator: it would read the value as well
    job.meta.update_id, job.meta.identity = job.id, "bench"
    job.input.add(metadata={"encoding": b"json/plain"}, data=data)
    return activation


def _signals(first: WorkflowActivation, count: int) -> WorkflowActivation:
    activation = _next(first)
    for _ in range(count):
        job = activation.jobs.add().signal_workflow
        job.signal_name, job.identity, job.originating_event_id = "tick", "bench", first.history_length + 2
        job.input.add(metadata={"encoding": b"json/plain"}, data=b"1")
    return activation


def _remove(instance: WorkflowInstance, last: WorkflowActivation) -> None:
    """As a worker does that has too many runs."""
    activation = _next(last)
    activation.jobs.add().remove_from_cache.message = "measured"
    instance.activate(activation)


async def main(name: str, directory: str) -> None:
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # who asked is told what failed
    alone = Alone(name, Path(directory))
    asked = ("replay", "instance", "update", "plain", "signals", "ordinary", "unsealed")
    await lines.answer({what: getattr(alone, what) for what in asked})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
