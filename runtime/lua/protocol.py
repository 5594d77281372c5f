"""The protocol between a kernel and its host: events in, commands out. This is the one place for these names and shapes.

An event is one call of the kernel, ``(kind, now, flags, ...)``: its fields are arguments, a payload is two of them, its encoding
and its bytes (`runtime.lua.steps`). The answer is the state of the program and, where there is more to say, a header of JSON and the bytes of
the values that it speaks of, one after another. Header key `b` has their lengths, or ``[encoding, length]`` where that is not
``json/plain``; wherever a shape below says *payload*, the header holds an index into that list. So a script's JSON is never
parsed by the host, binary values need no escaping, and two steps went alike exactly when their answers are equal.

Events, host to kernel (key `t` says which):

    start    args:[payload]                                 run main
    result   seq, value:payload | error:wire error          the outcome of command `seq`
    message  topic, from, args:[payload], at, update?       a signal or a mailbox message
    process  kind, from, at, value?:payload | error?        EXIT ("pid.exit") or LINK_DOWN ("pid.link.down")
    cancel   reason, from?                                  cancellation was requested
    update   id, name, args:[payload]                       an update that passed `Session.validate`

Commands, kernel to host (key `op`; `at` is the script's ``file:line``; those with `seq` get exactly one `result`, unless
cancelled first):

    call      seq at id args options ctx actor? scope?      funcs.call / async; options: see `modules/options.py`; ctx, actor
                                                            {id, meta} and scope [name] travel only where not the caller's
    timer     seq at ns                                     fires once after `ns` nanoseconds
    cancel    seq                                           give up command `seq`; its result, if one comes, is ignored
                                                            unless the command said `wait_for_cancellation`
    send      seq at to topic args                          result: true, or NOT_FOUND
    spawn     seq at id host args options ctx actor? scope? name? messages? [{topic, args}] monitor link
                                                            result: the new PID; a `process` event from it follows
    exec      as spawn                                      result: the value of the execution
    terminate, cancel_process  seq at to reason?            result: true, or NOT_FOUND
    query     seq at to name args                           process host only
    monitor, unmonitor, link, unlink  seq at to             process host only
    attrs     at search {name: value | null} memo {...}     result comes at once, so a bad attribute can be refused
    status    value:payload                                 the run's current details; no result
    publish   name value:payload                            to those who follow the run, beside its history; no result
    handler   what ("signal"|"query"|"update") name         a name the UI should list; no result
    log       level message fields at logger                no result
    update_accepted  id                                     no result
    update_done      id value:payload | error               no result
    <module>.<fn>    seq at + the module's own fields       a host module's command; see `runtime.modules`

The state is "running", "done" (header: `value`, or `plain`, the text of a number or a boolean), "failed" (`error`), or "continue"
(`continue`: `id` or null, `args`, `options`, `ctx`, and what nobody has read: `messages` [{topic, from, args, at}] and, if any,
`events` [{kind, from, at, value:payload | error | reason}]). One other than running is final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runtime.errors import Error
from runtime.payload import Payload

#: Of today's kernels. A kernel says in its sources which one it speaks; one that no host of this version knows is refused.
VERSION = 2

#: Keys that hold payloads, singly or as a list, wherever they appear in an event or a command.
_SINGLE, _MANY = "value", "args"
#: Keys of lists whose items hold such keys.
_ITEMS = ("messages", "events")

#: Kinds of what a script gets from `process.events()`.
EXIT, LINK_DOWN, CANCEL = "pid.exit", "pid.link.down", "pid.cancel"

Event = dict[str, Any]

#: What a kernel's call gave: equal exactly where two programs went alike.
Answer = tuple[bytes, ...]


class Clock(NamedTuple):
    """The clock of a step, which is all that it knows of the world. `now` is nanoseconds since 1970, UTC."""

    now: int
    history_length: int = 0
    history_size: int = 0
    continue_as_new_suggested: bool = False
    #: While recorded history is replayed the instruction budget is doubled, so a run that passed cannot fail.
    replaying: bool = False


class Command(NamedTuple):
    """A command: one thing that the script wants done. `data` holds every other field, with payload indexes already resolved."""

    op: str
    seq: int | None
    at: str | None
    data: dict[str, Any]

    @property
    def args(self) -> list[Payload]:
        args: list[Payload] = self.data.get("args") or []
        return args

    def placed(self, error: Error) -> Error:
        """What came of it, with the line of the script that asked for it where the error names no place."""
        if error.stack is not None or not self.at:
            return error
        found = copy(error)  # others may be told the same
        found.stack = f"{self.at}: in {self.op}"
        return found


@dataclass(slots=True)
class Batch:
    """The answer of a step: commands in the order the script gave them, and how the program stands.

    `spent` is the limit that ended it: an error that says so may as well be another program's, handed on.
    """

    state: str
    commands: list[Command] = field(default_factory=list)
    value: Payload | None = None
    error: Error | None = None
    continuation: dict[str, Any] | None = None
    spent: str | None = None
    answer: Answer = ()

    @property
    def frame(self) -> bytes:
        """The answer as the kernel gave it, in one piece: two runs went alike exactly when these bytes are equal."""
        return b"\n".join(self.answer)


def batch_of(state: str, header: dict[str, Any], blobs: Sequence[Payload], answer: Answer) -> Batch:
    """What a header says, with the values it speaks of put in their places."""
    error = Error.from_wire(header["error"]) if "error" in header else None
    value = blobs[header["value"]] if "value" in header else None
    continuation = _resolved(header["continue"], blobs) if "continue" in header else None
    commands = [
        Command(fields.pop("op"), fields.pop("seq", None), fields.pop("at", None), _resolved(fields, blobs))
        for fields in header.get("commands", ())
    ]
    return Batch(state, commands, value, error, continuation, header.get("spent"), answer)


def _resolved(fields: dict[str, Any], blobs: Sequence[Payload]) -> dict[str, Any]:
    if _MANY in fields and isinstance(args := fields[_MANY], list):
        fields[_MANY] = [blobs[index] for index in args]
    if _SINGLE in fields and isinstance(value := fields[_SINGLE], int):
        fields[_SINGLE] = blobs[value]
    for key in _ITEMS:
        if key in fields and isinstance(items := fields[key], list):
            fields[key] = [_resolved(item, blobs) for item in items]
    return fields


def start(args: Sequence[Payload]) -> Event:
    return {"t": "start", "args": list(args)}


def result(seq: int, value: Payload) -> Event:
    return {"t": "result", "seq": seq, "value": value}


def failure(seq: int, error: Error) -> Event:
    return {"t": "result", "seq": seq, "error": error.to_wire()}


def message(topic: str, sender: str, args: Sequence[Payload], at: int = 0, update: str | None = None) -> Event:
    event: Event = {"t": "message", "topic": topic, "from": sender, "args": list(args), "at": at}
    if update is not None:
        event["update"] = update
    return event


def process_exit(
    sender: str, at: int, value: Payload | None = None, error: Error | None = None, kind: str = EXIT
) -> Event:
    event: Event = {"t": "process", "kind": kind, "from": sender, "at": at}
    if value is not None:
        event["value"] = value
    if error is not None:
        event["error"] = error.to_wire()
    return event


def cancel(reason: str = "", sender: str = "") -> Event:
    return {"t": "cancel", "reason": reason, "from": sender}


def unread(continuation: Mapping[str, Any]) -> list[Event]:
    """What nobody had read when a program continued as another: for that one, messages first."""
    messages = [
        message(item["topic"], item["from"], item["args"], item.get("at", 0))
        for item in continuation.get("messages") or ()
    ]
    return messages + [_unread_event(item) for item in continuation.get("events") or ()]


def _unread_event(item: Mapping[str, Any]) -> Event:
    if item["kind"] == CANCEL:
        return cancel(item.get("reason") or "", item["from"])
    error = Error.from_wire(item["error"]) if item.get("error") else None
    return process_exit(item["from"], item["at"], item.get("value"), error, item["kind"])


def as_unread(event: Event) -> dict[str, Any]:
    """A `process` or `cancel` event that no program has been given, in the form of `unread`."""
    if event["t"] == "cancel":
        return {"kind": CANCEL, "from": event["from"], "at": 0, "reason": event["reason"]}
    return {key: value for key, value in event.items() if key != "t"}


def update(update_id: str, name: str, args: Sequence[Payload]) -> Event:
    return {"t": "update", "id": update_id, "name": name, "args": list(args)}
