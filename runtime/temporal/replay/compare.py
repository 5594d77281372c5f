"""The comparison of a replayed run with its history, which finds where the run first goes another way.

Temporal's own replay compares what kind of thing happened, and ids; not the values: a history in which somebody changed an
amount would pass. And what it says of a difference names the SDK's state machines. Here the commands of each workflow task are
laid beside what the history has of that task, and the first difference is told by the script's lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails

from runtime.lua.protocol import Command
from runtime.temporal.replay.recorded_commands import recorded_commands
from runtime.temporal.replay.script_commands import ScriptCommands
from runtime.temporal.replay.shapes import CommandShape
from runtime.temporal.workflow import LuaRunner, WorkflowHost

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first difference between a replay and its history. `at` and `command`: what the script does and where, None when it does nothing more.

    `event`, `event_at` and `recorded`: what the history has, None when it has nothing more. `field`, `expected` (of the history) and
    `actual` (of the script) are for commands that are the same but for a value.
    """

    message: str
    at: str | None = None
    command: str | None = None
    event: int | None = None
    event_at: str | None = None
    recorded: str | None = None
    field: str | None = None
    expected: str | None = None
    actual: str | None = None


class ComparingRunner(LuaRunner):
    """A workflow runner for one replay that keeps the commands of the run by workflow task.

    Give it to a Replayer, replay, and then ask for `divergence`.
    """

    def __init__(self, host: WorkflowHost) -> None:
        super().__init__(host)
        self.heard: list[Command] = []
        host.heard = self.heard
        self._tasks: dict[int, list[Any]] = {}
        self._failed: str | None = None

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        activate = instance.activate

        def watched(act: Any) -> Any:
            completion = activate(act)
            if any(job.WhichOneof("variant") != "remove_from_cache" for job in act.jobs):
                self._tasks.setdefault(act.history_length, []).extend(completion.successful.commands)
            if completion.HasField("failed"):
                self._failed = completion.failed.failure.message
            return completion

        setattr(instance, "activate", watched)  # noqa: B010
        return instance

    def divergence(self, history: WorkflowHistory, failure: str | None, *, values: bool) -> Divergence | None:
        """The first difference; None when there is none. `failure` is what the SDK says of one, `values` whether values count."""
        if self._failed is not None:
            return Divergence(self._failed)
        recorded = recorded_commands(history.events)
        started = history.events[0].workflow_execution_started_event_attributes
        commands = ScriptCommands(self.heard, started.workflow_run_timeout.ToTimedelta())
        said = {task: commands.of_task(given) for task, given in sorted(self._tasks.items()) if task in recorded}
        if failure is None:
            return _of_values(said, recorded) if values else None
        found = next(_of_order(said, recorded, values=values, strict=False), None)
        found = found or next(_of_order(said, recorded, values=values, strict=True), None)
        return found or Divergence(failure)


Tasks = Mapping[int, Sequence[CommandShape]]


def _of_values(said: Tasks, recorded: Tasks) -> Divergence | None:
    """Temporal has found nothing, so the n-th command of a kind is the n-th of that kind in the history."""
    ours: dict[tuple[str, ...], list[CommandShape]] = defaultdict(list)
    for shape in chain.from_iterable(said.values()):
        ours[shape.what].append(shape)
    for event in chain.from_iterable(recorded.values()):
        same = ours[event.what]
        found = _value(same.pop(0), event) if same else None
        if found is not None:
            return found
    return None


def _of_order(said: Tasks, recorded: Tasks, *, values: bool, strict: bool) -> Iterator[Divergence]:
    last: CommandShape | None = None
    for task, ours in said.items():
        found, last = _of_task(ours, recorded[task], last, values=values, strict=strict)
        if found is not None:
            yield found


def _of_task(
    ours: Sequence[CommandShape],
    theirs: Sequence[CommandShape],
    last: CommandShape | None,
    *,
    values: bool,
    strict: bool,
) -> tuple[Divergence | None, CommandShape | None]:
    """The first difference in one workflow task, and the last command that is the same in both."""
    i = j = 0
    while i < len(ours) or j < len(theirs):
        shape, event = _at(ours, i), _at(theirs, j)
        if shape is not None and event is not None and shape.what == event.what:
            found = _value(shape, event) if values else None
            if found is not None:
                return found, shape
            last = shape
            i, j = i + 1, j + 1
        elif not strict and event is not None and event.soft and not _has(ours[i:], event):
            j += 1
        elif not strict and shape is not None and shape.soft and not _has(theirs[j:], shape):
            i += 1
        else:
            return _other(shape, event, last), last
    return None, last


def _at(shapes: Sequence[CommandShape], index: int) -> CommandShape | None:
    return shapes[index] if index < len(shapes) else None


def _has(shapes: Sequence[CommandShape], wanted: CommandShape) -> bool:
    return any(shape.what == wanted.what for shape in shapes)


# Telling --------------------------------------------------------------------------------------------------------------


def _value(shape: CommandShape, event: CommandShape) -> Divergence | None:
    for name, expected in event.fields.items():
        actual = shape.fields.get(name)
        if actual is None or actual == expected:
            continue
        what = (
            f"{_placed(shape)} — not the {name} that the history has at event {event.event}{_line(event)}: "
            f"expected {_short(expected)}, actual {_short(actual)}"
        )
        return Divergence(
            what, shape.at, shape.text, event.event, event.at, event.text, name, _short(expected), _short(actual)
        )
    return None


def _other(shape: CommandShape | None, event: CommandShape | None, last: CommandShape | None) -> Divergence:
    if shape is None and event is not None:
        after = f" after {_placed(last)}" if last is not None else ""
        told = f"the script does nothing more here{after} — history has {_recorded(event)}"
    elif shape is not None and event is None:
        told = f"{_placed(shape)} — history has nothing more in this workflow task"
    else:
        assert shape is not None
        assert event is not None
        told = f"{_placed(shape)} — history has {_recorded(event)}"
    return Divergence(
        told,
        shape.at if shape else None,
        shape.text if shape else None,
        event.event if event else None,
        event.at if event else None,
        event.text if event else None,
    )


def _recorded(event: CommandShape) -> str:
    return f"at event {event.event}: {event.text}{_line(event)}"


def _placed(shape: CommandShape) -> str:
    """A command behind its line; without one, with the line of what was done before it."""
    if shape.at is not None:
        return f"{shape.at}: {_what(shape)}"
    return f"{_what(shape)} (after {shape.after})" if shape.after is not None else _what(shape)


def _what(shape: CommandShape) -> str:
    problem = shape.fields.get("error")
    return f"{shape.text}: {_short(problem)}" if problem else shape.text


def _line(event: CommandShape) -> str:
    return f" ({event.at})" if event.at is not None else ""


def _short(value: str) -> str:
    return (value[:_SHOWN] + "…" if len(value) > _SHOWN else value) or "nothing"
