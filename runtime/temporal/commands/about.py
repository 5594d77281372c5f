"""What a run says about itself: attributes, status, handler names, answers to updates, log lines."""

from __future__ import annotations

import json
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from runtime.errors import Error, invalid
from runtime.lua.protocol import Command
from runtime.payload import NOTHING, Payload
from runtime.process.lua_run import MAX_LINE
from runtime.process.services import log_line
from runtime.temporal import attributes, decisions, wire
from runtime.temporal.run import Run

_TRUE = Payload.of(True)


def attrs(run: Run, command: Command) -> None:
    """Upserts search attributes and memo, all or nothing; what the server would reject is refused to the script."""
    search, memo = _table(command.data.get("search")), _table(command.data.get("memo"))
    changes: list[SearchAttributeUpdate[Any]] = []
    problem: list[Error] = []

    def check() -> bool:
        try:
            changes[:] = attributes.updates(run.host.attributes, search)
            wire.check_size("memo", [Payload.of(memo)])
        except Error as error:
            problem.append(error)
        return bool(problem)

    if decisions.refused(wire.REFUSED_MARKER.format(op="attrs", seq=command.seq), check):
        check()
        raise problem[0] if problem else invalid("workflow.attrs was refused")
    if search and not changes and check():  # a replay: the record says it was accepted
        changes[:] = attributes.inferred(search)
    workflow.upsert_search_attributes(changes)
    if memo:
        workflow.upsert_memo(memo)
    run.settle(command.seq, _TRUE)


def _table(items: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The kernel lists attributes as {name, json | unset}: a table of JSON values, None for what is to be removed."""
    return {item["name"]: None if item.get("unset") else json.loads(item["json"]) for item in items or []}


def status(run: Run, command: Command) -> None:
    """The run's current details: text as it is, anything else as JSON."""
    value = command.data["value"].value()
    workflow.set_current_details(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


def update_accepted(run: Run, command: Command) -> None:
    """Temporal has recorded the acceptance when the validator let the update pass."""


def update_done(run: Run, command: Command) -> None:
    done = run.updates.pop(command.data["id"], None)
    if done is None or done.done():
        return
    if "error" in command.data:
        done.set_exception(Error.from_wire(command.data["error"]))
    else:
        done.set_result(command.data.get("value", NOTHING))


def log(run: Run, command: Command) -> None:
    """Silent while replaying: the line was written when it happened. What one step may log, the kernel bounds."""
    if workflow.unsafe.is_replaying():
        return
    data = command.data
    about: dict[str, Any] = {"pid": run.pid, "entry": run.entry_id, "run_id": run.info.run_id, "at": command.at}
    about |= {"fields": dict(data.get("fields") or {}), "logger": data.get("logger")}
    log_line(str(data.get("level") or "info"), str(data.get("message") or "")[:MAX_LINE], about)


def handler(run: Run, command: Command) -> None:
    """A name that the script answers to, for the lists in the UI; the dynamic handlers take what comes."""
    run.announced.setdefault(command.data["what"], set()).add(command.data["name"])
