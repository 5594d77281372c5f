"""Scripts that use `time`, run by the real kernel. The only thing that is not real is the wait: a timer's moment is jumped to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runtime.lua import protocol
from runtime.lua.interpreter import compile_lua
from runtime.lua.program import Program, Unit
from runtime.lua.session import Session
from runtime.payload import Payload

#: 2023-11-14T22:13:20.123456789Z, when every script starts.
START = 1_700_000_000_123_456_789

#: What each script begins with, on its first line: `show(...)` puts a line of texts into `out`, which `return out` answers.
_PRELUDE = (
    'local args, out, time = {...}, {}, require("time") '
    "local function show(...) local line = {} "
    'for i = 1, select("#", ...) do line[i] = tostring((select(i, ...))) end '
    'out[#out + 1] = table.concat(line, " | ") end '
)


@dataclass
class Run:
    """A script that is being run. `commands` are those it gave, in order; `result` is what its main returned."""

    session: Session
    now: int = START
    due: dict[int, int] = field(default_factory=dict)
    commands: list[protocol.Command] = field(default_factory=list)
    batch: protocol.Batch = field(default_factory=lambda: protocol.Batch("running"))

    def step(self, *events: protocol.Event) -> None:
        self.batch = self.session.step(events, protocol.Clock(now=self.now))
        for command in self.batch.commands:
            self.commands.append(command)
            assert command.seq is not None
            if command.op == "timer":
                self.due[command.seq] = self.now + command.data["ns"]
            elif command.op == "cancel":
                del self.due[command.seq]

    def fire(self, late: int = 0) -> None:
        """Lets the next timer fire, `late` nanoseconds after its moment."""
        seq = min(self.due, key=lambda number: (self.due[number], number))
        self.now = max(self.now, self.due.pop(seq)) + late
        self.step(protocol.result(seq, Payload.of(None)))

    def finish(self) -> Any:
        while self.batch.state == "running":
            self.fire()
        return self.result

    @property
    def result(self) -> Any:
        if self.batch.error is not None:
            raise self.batch.error
        assert self.batch.value is not None
        return self.batch.value.value()

    @property
    def timers(self) -> list[tuple[str, int | None]]:
        """("timer", nanoseconds) and ("cancel", None), in the order given."""
        return [(command.op, command.data.get("ns")) for command in self.commands]


def start(body: str, *args: Any, execution: str = "workflow", now: int = START) -> Run:
    """Starts a script whose main is `body`, up to where it first waits."""
    name, entry = "script.lua", "test:script"
    code = compile_lua(f"return function(...) {_PRELUDE} {body}\nend".encode(), f"@{name}".encode())
    program = Program(
        entry=entry,
        method="main",
        bundle="",
        memory=64 << 20,
        instructions=100_000_000,
        units={entry: Unit(name, code, ("time",), {})},
    )
    boot = {"class": execution, "pid": "{test:worker|run}", "entry": entry, "seed": 1, "ctx": {}, "info": {}}
    run = Run(Session(program, boot), now)
    run.step(protocol.start([Payload.of(arg) for arg in args]))
    return run


def call(body: str, *args: Any, execution: str = "workflow", now: int = START) -> Any:
    """What a script returns. Raises the `Error` it fails with."""
    run = start(body, *args, execution=execution, now=now)
    try:
        return run.finish()
    finally:
        run.session.close()


def lines(body: str, *args: Any, execution: str = "workflow", now: int = START) -> list[str]:
    """The lines that a script's calls of `show` wrote."""
    answer = call(body + "\nreturn out", *args, execution=execution, now=now)
    assert isinstance(answer, list)
    return answer
