"""The host's side of the present protocol: an event is the arguments of one call, and its answer is the call's results (`protocol`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.lua.absent import mends
from runtime.lua.hearing import unheard_in
from runtime.lua.protocol import VERSION, Answer, Batch, Clock, Event, batch_of
from runtime.payload import JSON, NOTHING, Payload

if TYPE_CHECKING:
    from runtime.lua.interpreter import Interpreter
    from runtime.lua.program import Program, Unit

#: What the flags of a step say: another event of the same batch follows; the budget is doubled; little time is left.
_MORE, _REPLAYING, _HURRIED = 1, 2, 4

#: What Lua wrote has no white space around it, which `json.loads` would look for.
_read_json = json.JSONDecoder().raw_decode

#: Commands that start something: in the run's own context, unless they bring another.
_STARTS = frozenset({"call", "spawn", "exec"})


class Steps:
    """The session's side of the protocol. Each session has one."""

    def __init__(self, program: Program, boot: Mapping[str, Any]) -> None:
        self._program = program
        self._boot = dict(boot)
        self._context = self._boot.get("ctx") or {}
        self._clock = Clock(now=0)

    def begin(self, interpreter: Interpreter) -> None:
        """Says what every program needs. All else the kernel asks for when it needs it."""
        program = self._program
        kind = text(str(self._boot.get("class") or ""))
        entry = program.entry
        seed, method = int(self._boot["seed"]), text(program.method)
        interpreter.begin(seed, program.instructions, kind, text(entry), method, *_told(program.units[entry]))

    def told(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """What a kernel asks for its own sake: an answer, or None when this is no such question."""
        if name == "gives":
            kernel = self._program.kernel
            file = kernel.giver(args[0].decode())
            return (text(file), kernel.chunk(file)) if file is not None else (None, None)
        if name == "boot":
            return self._word(args[0].decode())
        if name == "unit":
            return _told(self._program.units[args[0].decode()])
        if name == "code":
            return next((unit.code,) for unit in self._program.units.values() if unit.digest == args[0])
        if name == "clock":
            return (getattr(self._clock, args[0].decode()),)
        return None

    def _word(self, key: str) -> tuple[Any, ...]:
        """A word of the boot table: its form ("text", "json") and value."""
        program = self._program
        if key == "limits":
            return (b"json", _json({"instructions": program.instructions, "memory": program.memory}))
        if key == "unheard":
            return (b"json", _json(unheard_in(program.units.values())))
        if key == "mends":
            return (b"json", _json(mends(program.units.values())))
        value = self._boot.get(key)
        if callable(value):
            value = value()
        if value is None:
            return (None, None)
        return (b"text", text(value)) if isinstance(value, str) else (b"json", _json(value))

    def step(
        self, interpreter: Interpreter, events: Sequence[Event], clock: Clock, begin: Callable[[], bool]
    ) -> Answer:
        """`begin()` at each event: it starts the clock of the event, and says whether little time is left."""
        self._clock = clock
        flags = _REPLAYING if clock.replaying else 0
        if not events:
            return _answer(interpreter.call(b"nothing", clock.now, flags))
        last = len(events) - 1
        for number, event in enumerate(events):
            kind, *arguments = _ARGUMENTS[event["t"]](event)
            more = _MORE if number < last else 0
            answer = interpreter.call(kind, clock.now, flags | more | (_HURRIED if begin() else 0), *arguments)
        return _answer(answer)

    def ask(self, interpreter: Interpreter, kind: str, name: str, args: Sequence[Payload], clock: Clock) -> Answer:
        return _answer(interpreter.call(kind.encode(), clock.now, 0, text(name), *_payloads(args)))

    def read(self, answer: Answer) -> Batch:
        """Raises ValueError on an answer no kernel of this version gives (a host bug)."""
        state = answer[0].decode()
        if len(answer) == 1:
            return Batch(state, [], NOTHING if state == "done" else None, answer=answer)
        header = _read_json(answer[1].decode())[0]
        batch = batch_of(state, header, _blobs(header["b"], answer[2]) if "b" in header else (), answer)
        for command in batch.commands:
            if command.op in _STARTS and "ctx" not in command.data:
                command.data["ctx"] = self._context
        if state == "done" and batch.value is None:
            batch.value = Payload(JSON, header["plain"].encode()) if "plain" in header else NOTHING
        return batch


def _blobs(lengths: Sequence[Any], data: bytes) -> list[Payload]:
    if len(lengths) == 1 and type(lengths[0]) is int:
        return [Payload(JSON, data)]
    blobs: list[Payload] = []
    offset = 0
    for item in lengths:
        encoding, length = (JSON, item) if isinstance(item, int) else item
        blobs.append(Payload(encoding, data[offset : offset + length]))
        offset += length
    return blobs


def _answer(answer: Any) -> Answer:
    return answer if isinstance(answer, tuple) else (answer,)


def text(value: str) -> bytes:
    """As Lua has it. Half a surrogate pair, which JSON may hold, is no text: a name with one becomes another name, not a fault."""
    return value.encode("utf-8", "replace")


def _told(unit: Unit) -> tuple[bytes, bytes, bytes, bytes]:
    """A file: its name, the digest of its bytecode, modules and imports, one a line, an alias before what it stands for."""
    if not unit.imports:
        return (text(unit.name), unit.digest, text("\n".join(unit.modules)), b"")
    imports = sorted((text(alias), text(target)) for alias, target in unit.imports.items())
    return (text(unit.name), unit.digest, text("\n".join(unit.modules)), b"\n".join(sum(imports, ())))


def _json(value: Any) -> bytes:
    return text(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _payloads(args: Sequence[Payload]) -> list[bytes]:
    flat: list[bytes] = []
    for arg in args:
        flat += (arg.encoding.encode(), arg.data)
    return flat


# The events, as a kind and its arguments -----------------------------------------------------------------------------------


def _start(event: Event) -> list[Any]:
    return [b"start", *_payloads(event["args"])]


def _result(event: Event) -> list[Any]:
    if "error" in event:
        return [b"failure", event["seq"], _json(event["error"])]
    value: Payload = event["value"]
    return [b"result", event["seq"], value.encoding.encode(), value.data]


def _message(event: Event) -> list[Any]:
    return [b"message", text(event["topic"]), text(event["from"]), event["at"], *_payloads(event["args"])]


def _process(event: Event) -> list[Any]:
    error = _json(event["error"]) if "error" in event else None
    value = _payloads([event["value"]]) if "value" in event else []
    return [b"process", event["kind"].encode(), text(event["from"]), event["at"], error, *value]


def _cancel(event: Event) -> list[Any]:
    return [b"cancel", text(event["reason"]), text(event.get("from") or "")]


def _update(event: Event) -> list[Any]:
    return [b"update", text(event["id"]), text(event["name"]), *_payloads(event["args"])]


_ARGUMENTS: Mapping[str, Callable[[Event], list[Any]]] = {
    "start": _start,
    "result": _result,
    "message": _message,
    "process": _process,
    "cancel": _cancel,
    "update": _update,
}

__all__ = ["VERSION", "Steps", "text"]
