"""Operations: commands of a domain that are accepted once and carried out by a run, over HTTP, from Lua and from Python alike.

Accepting is the start of a run whose id follows from the command's domain and key, and the actor who sends it; the run's history is the write-ahead
log, its replay what finishes after a crash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.contracts import RunDescription, Started, StartRequest, Workflows
from runtime.errors import ALREADY_EXISTS, CANCELED, Error, conflict, invalid, not_found
from runtime.payload import Payload
from runtime.principal import NOBODY, Caller, Principal

#: Memo field of a run that was started with a key: {"key": digest of entry, key and actor, "body": digest of the JSON value}, and of an operation
#: {"entry", "command", "who"} besides.
MEMO = "evermoon.idempotency"

TEXTS = ("domain", "event_type", "biz_key", "idem_key")
_FIELDS = (*TEXTS, "payload")
_MAX_TEXT = 255
#: Bytes of a command that is kept beside the history too; of a longer one only its texts are.
_MAX_KEPT = 16 * 1024
#: What clients of an operation know it by; a run that keeps failing its tasks is not over.
_STATES = {"pending": "PENDING", "completed": "COMPLETED", "failed": "FAILED"}


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that a request started, or that an earlier one with the same key did; its `status` and `state` then are those of now."""

    started: Started
    status: str
    state: str


def state_of(state: str) -> str:
    return _STATES.get(state, "IN_PROGRESS")


def checked(command: Any) -> dict[str, Any]:
    """A command. Raises `Error` INVALID that names what is missing or wrong."""
    if not isinstance(command, dict):
        raise invalid(f"the body must be an object with {', '.join(_FIELDS)}")
    missing = [name for name in _FIELDS if name not in command]
    if missing:
        raise invalid(f"the command has no {', '.join(missing)}", missing=missing)
    for name in TEXTS:
        if not isinstance(command[name], str) or not 0 < len(command[name]) <= _MAX_TEXT:
            raise invalid(f"{name} must be a text of 1 to {_MAX_TEXT} characters", field=name)
    return command


def start_of(
    entry: str, command: Mapping[str, Any], payload: Payload, options: Mapping[str, Any], caller: Caller
) -> StartRequest:
    """The start of the run that carries out a command; `payload` is the command as it came."""
    key = digest(command["domain"], command["idem_key"], caller.principal)
    memo = {"key": key, "body": digest(entry, value_digest(command)), "entry": entry, "command": _kept(command)}
    if caller.principal.actor is not None:
        memo["who"] = caller.principal.actor.id
    options = {"id_conflict_policy": "fail", **options, **once_only(memo)}
    return StartRequest(entry, [payload], id=f"op-{key[:32]}", options=options, caller=caller)


async def once(workflows: Workflows, seen_by: Workflows, start: StartRequest, other: Error) -> Begun:
    """Starts a run, or finds by `seen_by` the one that was started with this key. Raises `other` when that had another body."""
    try:
        started = await workflows.start(start)
    except Error as error:
        memo = (start.options.get("memo") or {}).get(MEMO)
        if error.kind != ALREADY_EXISTS or memo is None or start.id is None:
            raise
        return await _replay(seen_by, start.id, memo, other, error)
    return Begun(started, "RUNNING", "pending")


async def _replay(workflows: Workflows, run: str, memo: Mapping[str, str], other: Error, taken: Error) -> Begun:
    described = await workflows.describe(run)
    first = described.memo.get(MEMO)
    if not isinstance(first, dict) or first.get("key") != memo["key"]:
        raise taken
    if first.get("body") != memo["body"]:
        other.details = {**(other.details or {}), "run": run}
        raise other
    started = Started(described.id, described.run_id, described.pid, created=False)
    return Begun(started, described.status, described.state)


async def begin(workflows: Workflows, start: StartRequest) -> Begun:
    """Raises CONFLICT for a key that was used with another command."""
    other = conflict("idem_key was used before in its domain, with another command")
    return await once(workflows, workflows, start, other)


async def document(workflows: Workflows, op_id: str) -> dict[str, Any]:
    """Everything an auditor asks: the command, who sent it, when, the state, and what each attempt came to. Raises NOT_FOUND for what is no operation."""
    run = await workflows.describe(op_id)
    about = run.memo.get(MEMO)
    if not isinstance(about, dict) or "command" not in about:
        raise not_found("operation", op_id)
    attempts, end = await _attempts(workflows, run)
    found = {
        "op_id": run.id,
        "entry": about["entry"],
        "state": state_of(run.state),
        "status": run.status,
        "command": about["command"],
        "who": about.get("who"),
        "accepted_at": run.started_at,
        "finished_at": run.closed_at,
        "attempts": attempts,
        **end,
    }
    return {name: value for name, value in found.items() if value is not None}


async def _attempts(workflows: Workflows, run: RunDescription) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Of each step, in the order in which they began; and how the run ended."""
    steps: dict[str, _Step] = {}
    end: dict[str, Any] = {}
    async with workflows.follow(run.id, wait=False) as feed:
        async for event in feed:
            data = event.data
            if data.get("live"):  # history has it, or will have it
                continue
            if event.name.startswith("step."):
                steps.setdefault(f"{data.get('run_id')}/{data['activity_id']}", _Step(data)).hear(event.name, data)
            elif event.name == "completed":
                end = {"result": data.get("result")}
            elif event.name in ("failed", "canceled", "timed_out", "terminated"):
                end = {"error": data.get("error") or {"kind": "Terminated", "message": data.get("reason") or ""}}
    for item in run.pending:
        steps.setdefault(f"{run.run_id}/{item['activity_id']}", _Step(item)).wait(item)
    return [attempt for step in steps.values() for attempt in step.told()], end


class _Step:
    """What the attempts of one activity came to."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self._about = {"activity": about["activity"], "activity_id": about["activity_id"]}
        self._known: dict[int, dict[str, Any]] = {}
        self._latest = 0
        self._end: dict[str, Any] | None = None

    def hear(self, event: str, data: Mapping[str, Any]) -> None:
        self._learn(data)
        number = int(data.get("attempt") or 0)
        if event == "step.started":
            self._known[number] = {"outcome": "running", "at": data["at"]}
        elif event == "step.completed":
            self._known[number] = {"outcome": "ok", "at": data["at"]}
        elif event == "step.failed" and not number:  # while it waited for its next attempt
            outcome = "canceled" if (data.get("error") or {}).get("kind") == CANCELED else "fail"
            self._end = {"outcome": outcome, "at": data["at"]}
        elif event == "step.failed":
            error = data.get("error") or {}
            told = {"kind": error.get("kind"), "message": error.get("message")}
            self._known[number] = {**told, **self._known.get(number, {}), "outcome": "fail", "at": data["at"]}
        self._latest = max(self._latest, number)

    def wait(self, item: Mapping[str, Any]) -> None:
        """It is not over: it runs, or waits to be tried again."""
        self._learn(item)
        number = int(item["attempt"])
        if item["state"] == "started":
            self._known[number] = {"outcome": "running"}
        else:
            number -= 1
        if number in self._known and item.get("next_retry_at"):
            self._known[number]["next_retry_at"] = item["next_retry_at"]
        self._latest = max(self._latest, number)

    def told(self) -> list[dict[str, Any]]:
        """Of an attempt that died with its worker nobody knows more than that."""
        numbers = range(1, max([self._latest, *self._known]) + 1)
        told = [
            {**self._about, "attempt": number, **self._known.get(number, {"outcome": "lost"})} for number in numbers
        ]
        return told if self._end is None else [*told, {**self._about, **self._end}]

    def _learn(self, data: Mapping[str, Any]) -> None:
        for one in data.get("attempts") or ():
            self._known.setdefault(int(one["attempt"]), {name: it for name, it in one.items() if name != "attempt"})


def _kept(command: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: command[name] for name in _FIELDS}
    if len(Payload.of(kept).data) > _MAX_KEPT:
        del kept["payload"]
    return kept


def once_only(memo: Mapping[str, Any]) -> dict[str, Any]:
    """Workflow options of a run whose id is used once, by whoever has the key in its memo."""
    return {"id_reuse_policy": "reject_duplicate", "memo": {MEMO: memo}}


def digest(space: str, key: str, principal: Principal = NOBODY) -> str:
    """Of a key that means something within `space` only, and for this actor only."""
    text = f"{space}\0{key}".encode("utf-8", "surrogateescape")
    if principal.actor is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.digest(principal.actor.id.encode("utf-8", "surrogateescape"), text, "sha256").hex()


def value_digest(value: Any) -> str:
    """Equal for equal JSON values, whatever their spelling: key order, white space, `1` or `1.0`."""
    text = json.dumps(_canonical(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value
