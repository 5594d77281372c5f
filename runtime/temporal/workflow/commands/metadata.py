"""The commands by which a run speaks about itself: attributes, status, handler names, answers to updates, log lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from temporalio.common import SearchAttributeUpdate
from temporalio.converter import encode_typed_search_attribute_value

from runtime.errors import Error, invalid
from runtime.lua.protocol import Command
from runtime.payload import NOTHING, Payload
from runtime.process.host_port import log_line
from runtime.process.lua_run import MAX_LINE
from runtime.temporal import search_attributes, wire
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.updates import answer

_TRUE = Payload.of(True)


def attrs(run: Run, command: Command) -> None:
    """Upserts search attributes and memo. What the server would reject is refused to the script; the memo is kept where only a search attribute is."""
    search, memo = _table(command.data.get("search")), _table(command.data.get("memo"))
    changes: list[SearchAttributeUpdate[Any]] = []
    problem: list[Error] = []

    def check_memo() -> bool:
        return _fails(lambda: wire.check_size("memo", [Payload.of(memo)]), problem)

    def check_search() -> bool:
        return _fails(lambda: changes.extend(_updates(run, command, search)), problem)

    if run.refused(wire.REFUSED_MARKER.format(op="attrs", seq=command.seq), check_memo):
        # In older histories this says that a search attribute was refused, and the memo with it.
        unnamed = replace(run.host.attributes, client="")  # as they have it
        if check_memo() or _fails(lambda: changes.extend(search_attributes.updates(unnamed, search)), problem):
            raise problem[0]
        raise invalid("workflow.attrs was refused")
    refused = bool(search) and run.refused(wire.REFUSED_MARKER.format(op="attrs.search", seq=command.seq), check_search)
    if search and not refused and not changes and check_search():  # a replay: the record says it was accepted
        changes[:] = search_attributes.inferred(search)
    if changes and not refused:
        fields = run.emit().upsert_workflow_search_attributes.search_attributes.indexed_fields
        for change in changes:
            fields[change.key.name].CopyFrom(encode_typed_search_attribute_value(change.key, change.value))
    if memo:
        run.upsert_memo({name: None if value is None else run.payload_of(value) for name, value in memo.items()})
    if refused:
        raise problem[0] if problem or check_search() else invalid("a search attribute was refused")
    run.settle(command.seq, _TRUE)


def _fails(check: Callable[[], None], problem: list[Error]) -> bool:
    try:
        check()
    except Error as error:
        problem.append(error)
        return True
    return False


def _updates(run: Run, command: Command, search: dict[str, Any]) -> list[SearchAttributeUpdate[Any]]:
    declared = run.host.attributes
    if not run.replaying:
        times = {item["name"] for item in command.data.get("search") or () if item.get("time")}
        declared = declared.with_new(search, times)
    return search_attributes.updates(declared, search)


def _table(items: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The kernel lists attributes as {name, json | unset}: a table of JSON values, None for what is to be removed."""
    return {item["name"]: None if item.get("unset") else json.loads(item["json"]) for item in items or []}


def status(run: Run, command: Command) -> None:
    """The run's current details: text as it is, anything else as JSON."""
    value = command.data["value"].value()
    run.current_details = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def update_accepted(run: Run, command: Command) -> None:
    """Temporal has recorded the acceptance when the validator let the update pass."""


def update_done(run: Run, command: Command) -> None:
    """The server is told in the next turn; of an update that has its answer nobody is told again."""
    instance = run.updates.pop(command.data["id"], None)
    if instance is not None:
        outcome = (
            Error.from_wire(command.data["error"]) if "error" in command.data else command.data.get("value", NOTHING)
        )
        run.turns.soon(answer, run, instance, outcome)


def log(run: Run, command: Command) -> None:
    """Silent while replaying: the line was written when it happened. What one step may log, the kernel bounds."""
    if run.replaying:
        return
    data = command.data
    about: dict[str, Any] = {"pid": run.pid, "entry": run.entry_id, "run_id": run.info.run_id, "at": command.at}
    about |= {"fields": dict(data.get("fields") or {}), "logger": data.get("logger")}
    log_line(str(data.get("level") or "info"), str(data.get("message") or "")[:MAX_LINE], about)


def handler(run: Run, command: Command) -> None:
    """A name that the script answers to, for the lists in the UI; the dynamic handlers take what comes."""
    run.announced.setdefault(command.data["what"], set()).add(command.data["name"])
