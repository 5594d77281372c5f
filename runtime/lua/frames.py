"""The host's side of protocol 1. Runs that began on a kernel of protocol 1 keep it, so this file stays as it is for as long as there are any.

A *frame* is one byte string: a line of JSON (the header) and, after it, the bytes of the values it speaks of. Header key `b`
lists them as ``[encoding, length]``; wherever an event or a command holds a payload, the JSON holds an index into that list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.lua.protocol import Answer, Batch, Clock, Event, batch_of
from runtime.payload import Payload

if TYPE_CHECKING:
    from runtime.lua.interpreter import Interpreter
    from runtime.lua.program import Program

VERSION = 1


class Frames:
    """The session's side of protocol 1. `runtime.lua.steps.Steps` is that of the present protocol."""

    def __init__(self, program: Program, boot: Mapping[str, Any]) -> None:
        self._program = program
        self._boot = boot

    def begin(self, interpreter: Interpreter) -> None:
        program = self._program
        units = {
            id: {"name": unit.name, "modules": list(unit.modules), "imports": dict(unit.imports)}
            for id, unit in program.units.items()
        }
        header = {
            **self._boot,
            "protocol": VERSION,
            "entry": program.entry,
            "method": program.method,
            "units": units,
            "limits": {"instructions": program.instructions, "memory": program.memory},
        }
        interpreter.call(b"boot", encode(header))

    def step(
        self, interpreter: Interpreter, events: Sequence[Event], clock: Clock, _begin: Callable[[], bool]
    ) -> Answer:
        header = {"events": list(events), **_fields(clock)}
        return _answer(interpreter.call(b"step", encode(header)))

    def ask(self, interpreter: Interpreter, kind: str, name: str, args: Sequence[Payload], clock: Clock) -> Answer:
        header = {"name": name, "args": list(args), **_fields(clock)}
        return _answer(interpreter.call(kind.encode(), encode(header)))

    def told(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (self._program.units[args[0].decode()].code,) if name == "source" else None

    def read(self, answer: Answer) -> Batch:
        header = json.loads(answer[0])
        blobs = []
        offset = 0
        for encoding, length in header.get("b", ()):
            blobs.append(Payload(encoding, answer[1][offset : offset + length]))
            offset += length
        return batch_of(header["state"], header, blobs, answer)


def _answer(frame: bytes) -> Answer:
    line, _, rest = frame.partition(b"\n")
    return (line, rest)


def _fields(clock: Clock) -> dict[str, Any]:
    return {
        "now": clock.now,
        "history_length": clock.history_length,
        "history_size": clock.history_size,
        "continue_as_new_suggested": clock.continue_as_new_suggested,
        "replaying": clock.replaying,
    }


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
