"""The calls of one run under test: answered by the test, or carried out as activities, by the rules of the hosts on Temporal."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from runtime import limits
from runtime.errors import Error, canceled, internal, invalid, not_deployed, unavailable
from runtime.lua import protocol
from runtime.lua.program import Program
from runtime.modules.calls import options_of
from runtime.modules.options import activity_options
from runtime.principal import Caller
from runtime.process.task_queues import queue_of, stored
from runtime.registry import ActivityEntry, Entry, Foreign, Registry, TemporalActivity, TemporalWorker
from runtime.registry.foreign import check_input
from runtime.registry.problems import did_you_mean
from runtime.testing.attempts import Scheduled, VirtualActivity
from runtime.testing.children import Outcome, settled
from runtime.testing.starts import AskedCall, elsewhere, held
from runtime.testing.world import World

_log = logging.getLogger("evermoon.test")


class CallingRun(Protocol):
    """The run whose calls they are."""

    pid: str
    entry_id: str

    @property
    def place(self) -> str:
        """Its worker, or the task queue that it is on."""
        ...

    @property
    def program(self) -> Program: ...
    @property
    def info(self) -> Mapping[str, Any]: ...
    def hear(self, *events: protocol.Event) -> None: ...
    def caller(self, command: protocol.Command) -> Caller: ...


class Calls:
    """The calls of a run that have no outcome yet, by the number of their command."""

    def __init__(self, world: World, run: CallingRun) -> None:
        self._world, self._run = world, run
        self._asked: set[int] = set()
        self._activities: dict[int, VirtualActivity] = {}

    @property
    def under_way(self) -> int:
        """How many are, without those that their worker itself runs."""
        local = sum(1 for activity in self._activities.values() if activity.scheduled.is_local)
        return len(self._asked) + len(self._activities) - local

    def begin(self, command: protocol.Command, seq: int) -> None:
        """Raises the `Error` that refuses it before anything is begun."""
        entry_id = str(command.data["id"])
        entry = self._world.registry.get(entry_id)
        limits.check_size(f"arguments of {entry_id}", command.args, stored(self._world.registry, self._run.place))
        if isinstance(entry, Foreign):
            check_input(entry, command.args)
        if entry_id in self._world.given:
            value = self._world.stands_in(entry_id, command.args, self._run)
            self._run.hear(settled(seq, held(entry, value)))
        elif entry_id in self._world.mocked:
            self._asked.add(seq)
            reply = lambda outcome: self._hear(seq, held(entry, outcome))  # noqa: E731  # that is all it does
            self._world.ask(AskedCall(entry_id, command.args, reply, lambda: seq in self._asked))
        else:
            self._schedule(self._scheduled(command, seq), seq)

    def give_up(self, seq: int) -> None:
        """Nobody waits for it any more, or only for the word that it is over."""
        if seq in self._asked:
            self._hear(seq, canceled("activity canceled"))
        elif seq in self._activities:
            self._activities[seq].cancel()

    def close(self) -> None:
        """Their run has ended."""
        self._asked.clear()
        for activity in self._activities.values():
            activity.cancel()

    def _hear(self, seq: int, outcome: Outcome) -> None:
        if seq in self._asked or seq in self._activities:
            self._asked.discard(seq)
            self._activities.pop(seq, None)
            self._run.hear(settled(seq, outcome))

    def _schedule(self, scheduled: Scheduled, seq: int) -> None:
        if any(scheduled.id == other.scheduled.id for other in self._activities.values()):
            text = (
                f'activity.id "{scheduled.id}" is in use: another activity of this run has it, and may not have ended'
            )
            raise invalid(text)
        activity = self._activities[seq] = self._world.schedule(scheduled)
        self._world.begin(self._awaited(activity, seq))

    def _scheduled(self, command: protocol.Command, seq: int) -> Scheduled:
        """A function is an activity only where its entry says so."""
        run, entry_id = self._run, str(command.data["id"])
        entry = self._world.registry.get(entry_id)
        if not isinstance(entry, ActivityEntry) or entry.activity is None:
            if isinstance(entry, Foreign):
                raise unavailable(elsewhere(entry), id=entry_id)
            known = [item.id for item in self._world.registry.entries.values() if _is_callable(item)]
            raise not_deployed("entry", entry_id, did_you_mean(entry_id, known))
        kept = run.program.calls
        options = options_of(kept, entry_id, activity_options(entry.options)) | (command.data.get("options") or {})
        info = {
            "workflow_id": run.info["workflow_id"],
            "run_id": run.info["run_id"],
            "workflow_pid": run.pid,
            "workflow_type": run.entry_id,
            "task_queue": queue_named(self._world.registry, options.get("task_queue") or entry.activity.worker),
        }
        is_local = entry.activity.local if kept is None else bool(kept.get(entry_id, {}).get("local"))
        id = options.get("id") or str(seq)
        kept_at = stored(self._world.registry, entry.activity.worker)
        return Scheduled(entry_id, id, command.args, run.caller(command), options, info, is_local, kept_at)

    async def _awaited(self, activity: VirtualActivity, seq: int) -> None:
        try:
            outcome: Outcome = await activity.outcome()
        except Error as error:
            outcome = error
        except Exception:
            _log.exception("the host failed at %s", activity.scheduled.entry)
            outcome = internal(f"the host failed at {activity.scheduled.entry}")
        self._hear(seq, outcome)


def _is_callable(entry: Entry) -> bool:
    return isinstance(entry, TemporalActivity) or (isinstance(entry, ActivityEntry) and entry.activity is not None)


def queue_named(registry: Registry, worker: str) -> str:
    """The task queue of a worker; any other name is a queue itself."""
    entry = registry.get(worker)
    return queue_of(registry, entry) if isinstance(entry, TemporalWorker) else worker
