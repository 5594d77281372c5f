"""What crosses between a kernel and its host: events in, commands out. The one place for these names and shapes.

A *frame* is one byte string: a line of JSON (the header) and, after it, the bytes of the values it speaks of. Header key
`b` lists them as ``[encoding, length]``; wherever a shape below says *payload*, the JSON holds an index into that list.
So a script's JSON is never parsed by the host, binary values need no escaping, and two batches are equal exactly when
their bytes are.

Events, host to kernel (key `t` says which):

    start    args:[payload]                                 run main
    result   seq, value:payload | error:wire error          the outcome of command `seq`
    message  topic, from, args:[payload], at, update?       a signal or a mailbox message
    process  kind, from, at, value?:payload | error?        EXIT ("pid.exit") or LINK_DOWN ("pid.link.down")
    cancel   reason, from?                                  cancellation was requested
    update   id, name, args:[payload]                       an update that passed `Session.validate`

Commands, kernel to host (key `op`; `at` is the script's ``file:line``; those with `seq` get exactly one `result`, unless
cancelled first):

    call      seq at id args options ctx actor? scope?      funcs.call / async; options: see `modules/options.py`; actor
                                                            {id, meta} and scope [name] only where not the caller's
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
    handler   what ("signal"|"query"|"update") name         a name the UI should list; no result
    log       level message fields at logger                no result
    update_accepted  id                                     no result
    update_done      id value:payload | error               no result
    <module>.<fn>    seq at + the module's own fields       a host module's command; see `runtime.modules`

After every step the header of the answer also says `state`: "running", "done" (`value`), "failed" (`error`), or
"continue" (`id` or null, `args`, `options`, `ctx`, and what nobody has read: `messages` [{topic, from, args, at}] and, if
any, `events` [{kind, from, at, value:payload | error | reason}]). A state other than running is final.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import Error
from runtime.payload import Payload

#: Host and kernel compare this when a kernel is loaded; a kernel of another number is refused, never guessed at.
VERSION = 1

#: Keys that hold payloads, singly or as a list, wherever they appear in an event or a command.
_SINGLE, _MANY = "value", "args"
#: Keys of lists whose items hold such keys.
_ITEMS = ("messages", "events")

#: Kinds of what a script gets from `process.events()`.
EXIT, LINK_DOWN, CANCEL = "pid.exit", "pid.link.down", "pid.cancel"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clock:
    """What a step may know of the world. `now` is nanoseconds since 1970, UTC."""

    now: int
    history_length: int = 0
    history_size: int = 0
    continue_as_new_suggested: bool = False
    #: While recorded history is replayed the instruction budget is doubled, so a run that passed cannot fail.
    replaying: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the script wants done. `data` holds every other field, with payload indexes already resolved."""

    op: str
    seq: int | None
    at: str | None
    data: dict[str, Any]

    @property
    def args(self) -> list[Payload]:
        args: list[Payload] = self.data.get("args") or []
        return args


@dataclass(frozen=True, slots=True)
class Batch:
    """A step's answer: commands in the order the script gave them, and how the program stands.

    `spent` is the limit that ended it: an error that says so may as well be another program's, handed on.
    `frame` is the answer as the kernel wrote it: two runs went alike exactly when these bytes are equal.
    """

    state: str
    commands: list[Command] = field(default_factory=list)
    value: Payload | None = None
    error: Error | None = None
    continuation: dict[str, Any] | None = None
    frame: bytes = b""
    spent: str | None = None


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
    sender: str, at: int, value: Payload | None = None, error: Error | None = None, kind: str = "pid.exit"
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


def encode(header: Mapping[str, Any]) -> bytes:
    """A frame for the kernel: every `Payload` in `header`, at any depth, is moved behind the header line."""
    blobs: list[Payload] = []

    def lift(value: Any) -> Any:
        if isinstance(value, Payload):
            blobs.append(value)
            return len(blobs) - 1
        if isinstance(value, Mapping):
            return {key: lift(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [lift(item) for item in value]
        return value

    lifted = lift(header)
    lifted["b"] = [[blob.encoding, len(blob.data)] for blob in blobs]
    text = json.dumps(lifted, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half a surrogate pair, which JSON may hold, is no text: a name with one becomes another name, not a fault.
    return b"".join([text.encode("utf-8", "replace"), b"\n", *(blob.data for blob in blobs)])


def decode(frame: bytes) -> Batch:
    """The kernel's answer. Raises ValueError on a frame no kernel of this version writes (a host bug)."""
    line, _, rest = frame.partition(b"\n")
    header = json.loads(line)
    blobs: list[Payload] = []
    offset = 0
    for encoding, length in header.get("b", ()):
        blobs.append(Payload(encoding, rest[offset : offset + length]))
        offset += length

    def resolve(fields: dict[str, Any]) -> dict[str, Any]:
        for key, value in fields.items():
            if key == _SINGLE and isinstance(value, int):
                fields[key] = blobs[value]
            elif key == _MANY and isinstance(value, list):
                fields[key] = [blobs[index] for index in value]
            elif key in _ITEMS and isinstance(value, list):
                fields[key] = [resolve(item) for item in value]
        return fields

    commands = [
        Command(op=fields.pop("op"), seq=fields.pop("seq", None), at=fields.pop("at", None), data=resolve(fields))
        for fields in header.get("commands", ())
    ]
    state = header["state"]
    error = Error.from_wire(header["error"]) if "error" in header else None
    value = blobs[header["value"]] if "value" in header else None
    continuation = resolve(header["continue"]) if "continue" in header else None
    return Batch(state, commands, value, error, continuation, frame, header.get("spent"))
