"""What a run publishes to those who follow it, carried by a local activity, which leaves one marker in the history.

The script goes on at once. What it publishes in one step, or while a batch is under way, travels together. An event has its place among those
of its name, which is the same in every replay: a batch that is carried again, by another worker, adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runtime.lua.protocol import Command
from runtime.payload import JSON, NULL, Payload
from runtime.process.host_port import log_line
from runtime.temporal import failures
from runtime.temporal.workflow import system_activities
from runtime.temporal.workflow.activity import Outcome
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.turns import FOLLOWED

#: Among `Run.sends`; no workflow has that id.
_KEY = ""
#: What a batch holds at most, in bytes; a single event may be larger.
_BATCH = 128 * 1024
#: What is said of an event besides its data.
_ABOUT = 200


def publish(run: Run, command: Command) -> None:
    name, value = str(command.data["name"]), command.data["value"]
    position = run.published[name] = run.published.get(name, 0) + 1
    text = b"null" if value.encoding == NULL else value.data
    head = json.dumps({"name": name, "position": position, "at": run.now // 1_000_000}).encode()
    _publishing(run).add(head[:-1] + b',"data":' + text + b"}")


def _publishing(run: Run) -> Publishing:
    found = run.sends.get(_KEY)
    if not isinstance(found, Publishing):
        found = run.sends[_KEY] = Publishing(run)
        run.turns.soon(found.next)
    return found


class Publishing:
    """The events on their way, in `Run.sends` until nothing is left."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: list[bytes] = []
        self._followers: list[Callable[[], None]] = []

    def add(self, event: bytes) -> None:
        self._waiting.append(event)

    def when_done(self, follower: Callable[[], None]) -> None:
        self._followers.append(follower)

    def next(self) -> None:
        if self._waiting:
            system_activities.publish(self._run, self._batch(), self._carried)
            return
        del self._run.sends[_KEY]
        for follower in self._followers:
            self._run.turns.after(FOLLOWED, follower)

    def give_up(self) -> None:
        """The run closes and waits no longer."""
        self._lost("the run has closed")

    def _carried(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Payload):
            self._lost(failures.from_failure(outcome).message)
        self.next()

    def _batch(self) -> Payload:
        size, count = 0, 0
        for event in self._waiting:
            size += len(event) + _ABOUT
            if count and size > _BATCH:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        run, info = self._run, self._run.info
        about = {
            "by": run.entry_id,
            "chain": info.first_execution_run_id,
            "run_id": info.run_id,
            "event": run.clock.history_length,
            "anew": info.run_id != info.original_execution_run_id,
        }
        return Payload(JSON, json.dumps(about).encode()[:-1] + b',"events":[' + b",".join(taken) + b"]}")

    def _lost(self, why: str) -> None:
        run = self._run
        if not run.replaying:
            about: dict[str, Any] = {
                "pid": run.pid,
                "entry": run.entry_id,
                "run_id": run.info.run_id,
                "at": None,
                "fields": {},
            }
            log_line("warn", f"what was published was lost: {why}", about)
