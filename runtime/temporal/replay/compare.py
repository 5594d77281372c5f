"""Where a replayed run first goes another way than its history.

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
from runtime.temporal.deeds import Commands, Deed, of_history
from runtime.temporal.workflow import LuaRunner, WorkflowHost

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first difference. `at` and `command`: what the script does and where, None when it does nothing more.

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
    """Runs the workflow of one replay and keeps what it says, by workflow task.

    Give it to a Replayer; replay; then ask for `divergence`.
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
        recorded = of_history(history.events)
        started = history.events[0].workflow_execution_started_event_attributes
        commands = Commands(self.heard, started.workflow_run_timeout.ToTimedelta())
        said = {task: commands.of_task(given) for task, given in sorted(self._tasks.items()) if task in recorded}
        if failure is None:
            return _of_values(said, recorded) if values else None
        found = next(_of_order(said, recorded, values=values, strict=False), None)
        found = found or next(_of_order(said, recorded, values=values, strict=True), None)
        return found or Divergence(failure)


Tasks = Mapping[int, Sequence[Deed]]


def _of_values(said: Tasks, recorded: Tasks) -> Divergence | None:
    """Temporal has found nothing, so the n-th deed of a kind is the n-th of that kind in the history."""
    ours: dict[tuple[str, ...], list[Deed]] = defaultdict(list)
    for deed in chain.from_iterable(said.values()):
        ours[deed.what].append(deed)
    for event in chain.from_iterable(recorded.values()):
        same = ours[event.what]
        found = _value(same.pop(0), event) if same else None
        if found is not None:
            return found
    return None


def _of_order(said: Tasks, recorded: Tasks, *, values: bool, strict: bool) -> Iterator[Divergence]:
    last: Deed | None = None
    for task, ours in said.items():
        found, last = _of_task(ours, recorded[task], last, values=values, strict=strict)
        if found is not None:
            yield found


def _of_task(
    ours: Sequence[Deed], theirs: Sequence[Deed], last: Deed | None, *, values: bool, strict: bool
) -> tuple[Divergence | None, Deed | None]:
    """The first difference in one workflow task, and the last deed that is the same in both."""
    i = j = 0
    while i < len(ours) or j < len(theirs):
        deed, event = _at(ours, i), _at(theirs, j)
        if deed is not None and event is not None and deed.what == event.what:
            found = _value(deed, event) if values else None
            if found is not None:
                return found, deed
            last = deed
            i, j = i + 1, j + 1
        elif not strict and event is not None and event.soft and not _has(ours[i:], event):
            j += 1
        elif not strict and deed is not None and deed.soft and not _has(theirs[j:], deed):
            i += 1
        else:
            return _other(deed, event, last), last
    return None, last


def _at(deeds: Sequence[Deed], index: int) -> Deed | None:
    return deeds[index] if index < len(deeds) else None


def _has(deeds: Sequence[Deed], wanted: Deed) -> bool:
    return any(deed.what == wanted.what for deed in deeds)


# Telling --------------------------------------------------------------------------------------------------------------


def _value(deed: Deed, event: Deed) -> Divergence | None:
    for name, expected in event.fields.items():
        actual = deed.fields.get(name)
        if actual is None or actual == expected:
            continue
        what = (
            f"{_placed(deed)} — not the {name} that the history has at event {event.event}{_line(event)}: "
            f"expected {_short(expected)}, actual {_short(actual)}"
        )
        return Divergence(
            what, deed.at, deed.text, event.event, event.at, event.text, name, _short(expected), _short(actual)
        )
    return None


def _other(deed: Deed | None, event: Deed | None, last: Deed | None) -> Divergence:
    if deed is None and event is not None:
        after = f" after {_placed(last)}" if last is not None else ""
        told = f"the script does nothing more here{after} — history has {_recorded(event)}"
    elif deed is not None and event is None:
        told = f"{_placed(deed)} — history has nothing more in this workflow task"
    else:
        assert deed is not None
        assert event is not None
        told = f"{_placed(deed)} — history has {_recorded(event)}"
    return Divergence(
        told,
        deed.at if deed else None,
        deed.text if deed else None,
        event.event if event else None,
        event.at if event else None,
        event.text if event else None,
    )


def _recorded(event: Deed) -> str:
    return f"at event {event.event}: {event.text}{_line(event)}"


def _placed(deed: Deed) -> str:
    """A deed behind its line; without one, with the line of what was done before it."""
    if deed.at is not None:
        return f"{deed.at}: {_what(deed)}"
    return f"{_what(deed)} (after {deed.after})" if deed.after is not None else _what(deed)


def _what(deed: Deed) -> str:
    problem = deed.fields.get("error")
    return f"{deed.text}: {_short(problem)}" if problem else deed.text


def _line(event: Deed) -> str:
    return f" ({event.at})" if event.at is not None else ""


def _short(value: str) -> str:
    return (value[:_SHOWN] + "…" if len(value) > _SHOWN else value) or "nothing"
