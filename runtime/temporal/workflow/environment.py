"""The surroundings that the runs of one worker share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from runtime.errors import Error, not_deployed
from runtime.lua.hibernation import HibernatingSession, HibernationPool
from runtime.lua.program import Program, Programs
from runtime.lua.protocol import Command
from runtime.lua.session import Questions
from runtime.modules.stream.streams import Streams
from runtime.process.task_queues import queue_of, worker_of
from runtime.registry import ActivityEntry, Registry, TemporalActivity, TemporalWorker, WorkflowLua
from runtime.temporal.search_attributes import Declared
from runtime.temporal.worker import activations
from runtime.temporal.workflow.overtime import Overtime


class BundleUnavailable(Exception):
    """The error of a run whose bundle the store does not have. It fails the workflow task, not the run, and no script sees it: the store may have the bundle later."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The code that a run has. `bundle` is None for a run that takes the newest code at any time; `entry` when the registry has it no more."""

    program: Program
    bundle: str | None
    entry: WorkflowLua | None

    @property
    def on_error(self) -> str:
        return self.entry.workflow.on_error if self.entry is not None else "fail"


@dataclass(slots=True)
class WorkflowHost:
    """The surroundings of every run on one worker: entries, compiled programs, and which queue belongs to which worker.

    `worker_id` is the id of the `temporal.worker` entry that serves the runs, or the name of its queue where it has no
    entry; it is the first half of their PIDs. `attributes` are the search attributes the worker's client declares.
    Values of more than `stored` bytes are kept in a payload store; None where there is none.
    With `shadow` every step of every run is executed twice and compared. `heard` gets what kernels ask for, where somebody wants to know.
    `long` has the ids of runs of which it was said that their history is long. `sessions` are those of runs in memory: the SDK drops what it has cached when a worker ends, without a word. `pool` says which of
    them have an interpreter while they wait. `callees`: what calls of these entries have in common, kept by who makes them. `streams`: by which those hear who follow a run; None for nobody.
    """

    registry: Registry
    programs: Programs
    worker_id: str
    attributes: Declared = field(default_factory=Declared)
    shadow: bool = False
    heard: list[Command] | None = None
    stored: int | None = None
    long: set[str] = field(default_factory=set)
    sessions: WeakSet[HibernatingSession] = field(default_factory=WeakSet)
    pool: HibernationPool = field(default_factory=HibernationPool)
    callees: dict[object, object] = field(default_factory=dict)
    overtime: Overtime = field(default_factory=Overtime)
    streams: Streams | None = None

    def use(self, registry: Registry, programs: Programs) -> None:
        """From now on runs that are loaded use these; runs in memory go on as they are."""
        self.registry = registry
        self.programs = programs
        self.callees = {}

    def session(self, program: Program, boot: Mapping[str, Any], questions: Questions) -> HibernatingSession:
        """A session for a run, freed with this host at the latest. Whoever steps it calls its `rest` when the run waits."""
        session = HibernatingSession(
            program, boot, pool=self.pool, questions=questions, spent=activations.spent, shadow=self.shadow
        )
        self.sessions.add(session)
        return session

    def close(self) -> None:
        """Frees what runs still hold. Call when the worker has ended, so that no thread steps them any more."""
        for session in list(self.sessions):
            session.close()

    def find(self, workflow_type: str) -> WorkflowLua:
        """The entry of a workflow type. Raises `Error` NOT_FOUND naming the type."""
        entry = self.registry.find_workflow(workflow_type)
        if entry is None:
            raise not_deployed("workflow type", workflow_type)
        return entry

    def activity(self, entry_id: str) -> ActivityEntry | TemporalActivity | None:
        """The function or process that runs as activity `entry_id`, or the activity of elsewhere that it names; None when there is none."""
        entry = self.registry.get(entry_id)
        if isinstance(entry, ActivityEntry):
            return entry if entry.activity is not None else None
        return entry if isinstance(entry, TemporalActivity) else None

    def queue(self, worker: str | None) -> str | None:
        """The task queue of a `temporal.worker` entry; any other name is a queue itself. None is the run's own queue."""
        if worker is None:
            return None
        entry = self.registry.get(worker)
        return queue_of(self.registry, entry) if isinstance(entry, TemporalWorker) else worker

    def worker_of(self, queue: str) -> str:
        """The worker entry that serves a queue or has that id, for PIDs; a queue nobody here serves stands for itself."""
        return worker_of(self.registry, queue)

    def bundle(self, entry_id: str) -> str:
        """What a run of this entry that starts now is pinned to. Raises `BundleUnavailable`."""
        try:
            return self.programs.pin(entry_id)
        except Error as error:
            raise BundleUnavailable(error.message) from None
