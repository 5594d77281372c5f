"""The commands that a script makes in a replay, as the SDK hands them to its core, with the lines the kernel knows of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from runtime.lua.protocol import Command
from runtime.process.pids import Pid
from runtime.temporal.replay import shapes
from runtime.temporal.replay.shapes import CommandShape


class ScriptCommands:
    """A collector of the commands of a replay, as shapes. `heard` is what the kernel asked for, which has the lines."""

    def __init__(self, heard: Sequence[Command], run_timeout: timedelta) -> None:
        self._lines = _Lines(heard)
        self._run_timeout = run_timeout
        self._begun: dict[tuple[str, int], CommandShape] = {}
        self._last: str | None = None

    def of_task(self, commands: Sequence[Any]) -> list[CommandShape]:
        """The commands of one workflow task. What is begun and given up in the same task never reaches history."""
        found: dict[tuple[str, int], CommandShape] = {}
        for number, command in enumerate(commands):
            variant = command.WhichOneof("variant")
            given = getattr(command, variant)
            ended = _CANCELS.get(variant)
            if ended is not None:
                key = (ended, _seq(given))
                if found.pop(key, None) is None and key in self._begun and ended in _CANCELED_BY_EVENT:
                    found["", number] = self._cancel(ended, self._begun[key], key[1])
                continue
            read = _COMMANDS.get(variant)
            made = read(given, self) if read is not None else None
            if made is None:
                continue
            at = shapes.position(command.user_metadata) or self._lines.of(made, given)
            shape = CommandShape(made.what, made.text, at, made.fields, None, made.soft, self._last)
            self._last = at or self._last
            key = (variant, given.seq) if hasattr(given, "seq") else ("", number)
            found[key] = self._begun[key] = shape
        return list(found.values())

    def _cancel(self, variant: str, begun: CommandShape, seq: int) -> CommandShape:
        if variant == "start_child_workflow_execution":
            return shapes.cancellation(begun.fields["workflow id"], begun.at)
        kind, named = ("timer", str(seq)) if variant == "start_timer" else ("activity", begun.fields["activity id"])
        return CommandShape((f"cancel {kind}", named), f"cancel of {begun.text}", begun.at, soft=True)

    def activity(self, a: Any) -> CommandShape:
        spans = shapes.clamped_spans(a, self._run_timeout)
        fields = {
            "activity id": a.activity_id,
            "arguments": shapes.shown(a.arguments),
            **spans,
            **shapes.retry_policy(a),
        }
        return CommandShape(("activity", a.activity_type), shapes.activity_text(a.activity_type), fields=fields)


def _seq(given: Any) -> int:
    seq: int = given.child_workflow_seq if hasattr(given, "child_workflow_seq") else given.seq
    return seq


class _Lines:
    """The script lines of commands for which the SDK's commands name none."""

    def __init__(self, heard: Sequence[Command]) -> None:
        self._activities: dict[str, str | None] = {}
        self._children: dict[str, str | None] = {}
        self._others: dict[tuple[str, ...], list[str | None]] = defaultdict(list)
        for command in heard:
            options = command.data.get("options") or {}
            if command.op == "call":
                self._activities[str(options.get("id") or command.seq)] = command.at
            elif command.op in ("spawn", "exec"):
                self._children[str(options.get("id") or command.data.get("name"))] = command.at
            elif command.op in ("send", "cancel_process"):
                to = Pid.parse(command.data["to"])
                self._others[command.op, to.id if to else "", command.data.get("topic", "")].append(command.at)
            elif command.op == "attrs":
                self._others["attrs",].append(command.at)

    def of(self, shape: CommandShape, given: Any) -> str | None:
        match shape.what[0]:
            case "activity":
                return self._activities.get(given.activity_id) or self._activities.get(given.activity_id.split("-")[-1])
            case "child":
                return self._children.get(given.workflow_id)
            case "signal":
                return self._next("send", shape.what[1], shape.what[2])
            case "cancel workflow":
                return self._next("cancel_process", shape.what[1], "")
            case "search attributes" | "memo":
                return next(iter(self._others["attrs",]), None)
        return None

    def _next(self, *key: str) -> str | None:
        lines = self._others[key]
        return lines.pop(0) if lines else None


def _start_timer(a: Any, _: ScriptCommands) -> CommandShape:
    span = shapes.span(a.start_to_fire_timeout)
    return CommandShape(("timer",), f"timer {span}", fields={"duration": span})


def _start_child(a: Any, _: ScriptCommands) -> CommandShape:
    return shapes.child(a, a.input)


def _respond(a: Any, _: ScriptCommands) -> CommandShape | None:
    """An answer; that an update was accepted is no command of the script."""
    if a.WhichOneof("response") != "completed":
        return None
    return shapes.update(a.protocol_instance_id, {"result": shapes.shown([a.completed])})


_COMMANDS: Mapping[str, Callable[[Any, ScriptCommands], CommandShape | None]] = {
    "schedule_activity": lambda a, commands: commands.activity(a),
    "start_timer": _start_timer,
    "start_child_workflow_execution": _start_child,
    "signal_external_workflow_execution": lambda a, _: shapes.signal(
        a.workflow_execution.workflow_id or a.child_workflow_id, a.signal_name, a.args
    ),
    "request_cancel_external_workflow_execution": lambda a, _: shapes.cancellation(a.workflow_execution.workflow_id),
    "set_patch_marker": lambda a, _: shapes.patch(a.patch_id),
    "upsert_workflow_search_attributes": lambda a, _: shapes.attributes(
        "search attributes", a.search_attributes.indexed_fields
    ),
    "modify_workflow_properties": lambda a, _: shapes.attributes("memo", a.upserted_memo.fields),
    "complete_workflow_execution": lambda a, _: shapes.end(
        "completed", "the run's completion", {"result": shapes.shown([a.result] if a.HasField("result") else [])}
    ),
    "fail_workflow_execution": lambda a, _: shapes.failure(a),
    "cancel_workflow_execution": lambda _a, _: shapes.end("canceled", "the run's end as canceled", {}),
    "continue_as_new_workflow_execution": lambda a, _: shapes.end(
        "continued", "continue-as-new", {"type": a.workflow_type, "arguments": shapes.shown(a.arguments)}
    ),
    "update_response": _respond,
}

#: ScriptCommands that give another one up, with what began that one.
_CANCELS = {
    "cancel_timer": "start_timer",
    "request_cancel_activity": "schedule_activity",
    "cancel_child_workflow_execution": "start_child_workflow_execution",
    "cancel_signal_workflow": "signal_external_workflow_execution",
}
_CANCELED_BY_EVENT = ("start_timer", "schedule_activity", "start_child_workflow_execution")
