"""The replay of recorded histories against the registry, for `evermoon replay` and the test suite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from runtime.errors import invalid
from runtime.lua.hibernation import HibernationPool
from runtime.lua.program import Programs
from runtime.process.task_queues import worker_of
from runtime.registry import Registry, TemporalWorker
from runtime.temporal.client.clients import declared
from runtime.temporal.payloads import opened, travel
from runtime.temporal.replay.compare import ComparingRunner, Divergence
from runtime.temporal.replay.programs import RecordedPrograms
from runtime.temporal.search_attributes import Declared
from runtime.temporal.workflow import LuaWorkflow, WorkflowHost

History = Mapping[str, Any] | str | Path


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of replaying one history. `divergence` says where it first went another way, None when it did not; `failure` is its message."""

    name: str
    workflow_id: str
    workflow_type: str
    divergence: Divergence | None = None

    @property
    def failure(self) -> str | None:
        return self.divergence.message if self.divergence is not None else None

    @property
    def ok(self) -> bool:
        return self.divergence is None


async def replay(
    histories: Sequence[History],
    registry: Registry,
    programs: Programs | None = None,
    *,
    latest: bool = False,
    shadow: bool = False,
    pool: HibernationPool | None = None,
) -> list[ReplayResult]:
    """Replays each history (JSON as the Temporal UI or `GET …/history` exports it, or the path of such a file).

    A run is replayed with the bundle it began with: of the store of `programs`, or of the registry when the hash matches. With
    `latest` it is replayed with the code that the registry has now: would a run that follows it go on?
    With `shadow` every step is executed twice, in two interpreters, and a difference is a failure too. With
    `pool` it may sleep between two tasks, as on a worker.
    Raises `Error` INVALID for what is no history at all, naming it; a divergence, or a missing bundle, is in the results.
    """
    programs = programs or Programs(registry)
    with ThreadPoolExecutor(2, thread_name_prefix="replay") as threads:
        one = partial(
            _one,
            registry=registry,
            programs=programs,
            latest=latest,
            shadow=shadow,
            pool=pool or HibernationPool(),
            threads=threads,
        )
        return [await one(name, history) for name, history in _read(histories)]


def _read(histories: Sequence[History]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, history in enumerate(histories, 1):
        if isinstance(history, Mapping):
            yield str(history.get("workflowId") or f"history {number}"), dict(history)
            continue
        try:
            read = json.loads(Path(history).read_text())
        except OSError as error:
            raise invalid(f"{history}: {error.strerror}") from None
        except ValueError as error:
            raise invalid(f"{history} is no JSON: {error}") from None
        if not isinstance(read, dict):
            raise invalid(f"{history} is no workflow history: it is no JSON object")
        yield str(history), read


async def _one(
    name: str,
    history: dict[str, Any],
    *,
    registry: Registry,
    programs: Programs,
    latest: bool,
    shadow: bool,
    pool: HibernationPool,
    threads: ThreadPoolExecutor,
) -> ReplayResult:
    started = _start_of(name, history)
    workflow_id = str(history.get("workflowId") or started.get("workflowId") or name)
    workflow_type = str((started.get("workflowType") or {}).get("name", ""))
    queue = str((started.get("taskQueue") or {}).get("name", ""))
    try:
        parsed = WorkflowHistory.from_json(workflow_id, history)
    except Exception as error:
        raise invalid(f"{name} is no workflow history: {error}") from None
    parsed = await _opened(registry, queue, parsed)
    entry = registry.find_workflow(workflow_type) if latest else None
    recorded = RecordedPrograms(registry, programs, parsed, entry.id if entry is not None else None)
    host = _host(registry, recorded, queue, shadow)
    host.pool = pool
    watch = ComparingRunner(host)
    replayer = Replayer(
        workflows=[LuaWorkflow],
        unsandboxed_workflow_runner=watch,
        workflow_task_executor=threads,
        debug_mode=True,  # a slow machine is no divergence: what a step may take is the kernel's to say
    )
    result = await replayer.replay_workflow(parsed, raise_on_replay_failure=False)
    failure = _reason(str(result.replay_failure)) if result.replay_failure is not None else None
    divergence = watch.divergence(parsed, failure, values=not latest)
    return ReplayResult(name, workflow_id, workflow_type, divergence)


async def _opened(registry: Registry, queue: str, history: WorkflowHistory) -> WorkflowHistory:
    """As its run had it, with the key and the payload store of the client whose worker serves the queue. Raises `Error`."""
    worker = registry.get(worker_of(registry, queue))
    converter = travel(registry, worker.client).converter if isinstance(worker, TemporalWorker) else None
    if converter is None:
        return history
    return WorkflowHistory(history.workflow_id, [await opened(event, converter) for event in history.events])


def _reason(text: str) -> str:
    """What diverged, out of the debug text that the SDK's core wraps around it."""
    found = re.search(r'message: "((?:[^"\\]|\\.)*)"', text)
    return found[1].replace('\\"', '"') if found else text.partition("\nTraceback")[0]


def _host(registry: Registry, programs: Programs, queue: str, shadow: bool) -> WorkflowHost:
    """The surroundings the worker of that queue would give."""
    worker = registry.get(worker_of(registry, queue))
    attributes = declared(registry, worker.client) if isinstance(worker, TemporalWorker) else Declared()
    return WorkflowHost(registry, programs, worker_of(registry, queue), attributes, shadow=shadow)


def _start_of(name: str, history: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of the first event. Raises `Error` INVALID when there is none."""
    events = history.get("events")
    first = events[0] if isinstance(events, list) and events else None
    attributes = first.get("workflowExecutionStartedEventAttributes") if isinstance(first, Mapping) else None
    if not isinstance(attributes, Mapping):
        raise invalid(f"{name} is no workflow history: it does not begin with the start of a run")
    return attributes
