"""The commands by which a run speaks about itself: attributes, status, handler names, answers to updates, log lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.common.v1 import SearchAttributes
from temporalio.common import SearchAttributeUpdate

from runtime import limits
from runtime.errors import Error, invalid
from runtime.lua.protocol import Command
from runtime.modules.stream.queue import PublishTarget
from runtime.payload import NOTHING, Payload
from runtime.process.host_port import log_line
from runtime.process.lua_run import MAX_LINE
from runtime.temporal import search_attributes
from runtime.temporal.workflow import recorded_choices
from runtime.temporal.workflow.run import Run
from runtime.temporal.workflow.updates import answer

_TRUE = Payload.of(True)


def attrs(run: Run, command: Command) -> None:
    """Upserts search attributes and memo. What the server would reject is refused to the script; the memo is kept where only a search attribute is."""
    search, memo = _table(command.data.get("search")), _table(command.data.get("memo"))
    remembered = {name: None if value is None else run.payload_of(value) for name, value in memo.items()}
    changes: list[SearchAttributeUpdate[Any]] = []

    def check_memo() -> None:
        limits.check_memo("the memo", _sizes({**run.info.raw_memo, **remembered}))
        if run.replaying:  # in older histories this says that a search attribute was refused, and the memo with it
            search_attributes.updates(replace(run.host.attributes, client=""), search)

    def check_search() -> None:
        changes[:] = _updates(run, command, search)
        search_attributes.check_size(_merged(run, changes))

    recorded_choices.check(run, "attrs", command.seq, check_memo, invalid("workflow.attrs was refused"))
    was = invalid("a search attribute was refused")
    check = partial(recorded_choices.check, run, "attrs.search", command.seq, check_search, was)
    refusal = _error_of(check) if search else None
    # A replay that finds no refusal recorded goes on, whatever is declared today.
    if refusal is None and search and not changes and _error_of(check_search) is not None:
        changes[:] = search_attributes.inferred(search)
    if refusal is None and changes:
        run.search = _merged(run, changes)
        run.pacing.send(
            sum(len(json.dumps(value)) for value in search.values()), partial(_upsert, run, changes), lasts=True
        )
    if remembered:
        run.upsert_memo(remembered)
    if refusal is not None:
        raise refusal
    run.settle(command.seq, _TRUE)


def _error_of(check: Callable[[], None]) -> Error | None:
    try:
        check()
    except Error as error:
        return error
    return None


def _updates(run: Run, command: Command, search: dict[str, Any]) -> list[SearchAttributeUpdate[Any]]:
    declared = run.host.attributes
    if not run.replaying:
        times = {item["name"] for item in command.data.get("search") or () if item.get("time")}
        declared = declared.with_new(search, times)
    return search_attributes.updates(declared, search)


def _upsert(run: Run, changes: Sequence[SearchAttributeUpdate[Any]]) -> None:
    search_attributes.put(changes, run.emit().upsert_workflow_search_attributes.search_attributes)


def _merged(run: Run, changes: Sequence[SearchAttributeUpdate[Any]]) -> SearchAttributes:
    """What the run's attributes are with these changes."""
    merged = SearchAttributes()
    if run.search is None:
        search_attributes.put(run.info.typed_search_attributes, merged)
    else:
        merged.CopyFrom(run.search)
    search_attributes.put(changes, merged)
    for change in changes:
        if change.value is None:
            del merged.indexed_fields[change.key.name]
    return merged


def _sizes(memo: Mapping[str, Proto | None]) -> list[tuple[str, int]]:
    return [(name, value.ByteSize()) for name, value in memo.items() if value is not None]


def _table(items: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The kernel lists attributes as {name, json | unset}: a table of JSON values, None for what is to be removed."""
    return {item["name"]: None if item.get("unset") else json.loads(item["json"]) for item in items or []}


def status(run: Run, command: Command) -> None:
    """The run's current details: text as it is, anything else as JSON."""
    value = command.data["value"].value()
    run.current_details = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    run.statuses += 1
    streams, info = run.host.streams, run.info
    if streams is not None and not run.replaying:
        target = PublishTarget(info.workflow_id, info.run_id, chain=info.first_execution_run_id)
        about = {"run_id": info.run_id, "status": value}
        streams.tell(target, info.run_id, "status", about, run.statuses)


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
