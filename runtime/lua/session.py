"""A program being run: the kernel in its own interpreter, stepped with events and answering with commands.

Everything here is synchronous. A session has one owner at a time; `close` it on the thread that drops it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime.errors import INTERNAL, LIMIT_EXCEEDED, UNAVAILABLE, Error, invalid
from runtime.lua import protocol
from runtime.lua.interpreter import Interpreter, LuaError, LuaMemoryError
from runtime.lua.program import Program
from runtime.modules.catalogue import FUNCTIONS
from runtime.payload import NOTHING, Payload

_log = logging.getLogger(__name__)

#: The questions a step may put to its host, by the name the kernel uses.
Questions = Mapping[str, Callable[..., Any]]

#: Seconds of processor time that one event may take, several times what the usual instruction budget needs: they end what
#: instructions do not measure. Less in a workflow, where a task may bring several, and all of them again when it replays.
MAX_SECONDS = 4.0
MAX_SECONDS_OF_A_WORKFLOW = 1.5
#: On a machine that is busy with others too, an event that has had a second of processor time ends after this much of
#: everybody's: a script that did little is not to blame for the wait, but nobody waits for the others for long.
MAX_WALL_SECONDS = 4.0
_FAIR_SECONDS = 1.0
#: Of the time that an event shares with others: above it the program looks at the clock from the beginning.
_HURRIED = 0.2


class Stopwatch:
    """What the current thread has done since: in seconds of its processor time, and of everybody's."""

    __slots__ = ("_cpu", "_wall")

    def __init__(self) -> None:
        self._cpu, self._wall = time.thread_time(), time.monotonic()

    def over(self, seconds: float) -> bool:
        """Whether that was more than `seconds` of processor time, or too long for those who wait."""
        cpu = time.thread_time() - self._cpu
        return cpu > seconds or (cpu > _FAIR_SECONDS and time.monotonic() - self._wall > MAX_WALL_SECONDS)


class Session:
    """`boot`: class ("workflow", "function", "process", "handler", "activity"), pid, entry, seed (0 <= seed < 2**63), ctx, info.

    `version(change_id, min, max)` answers `workflow.version`; `questions` may hold further ones ("workflow.patched", ...).
    Where none is given a question fails as INVALID. `spent`: what is used of the time that a step shares with others, 1 for all of
    it. `padded`: in an interpreter whose heap begins otherwise than usual.
    """

    def __init__(
        self,
        program: Program,
        boot: Mapping[str, Any],
        *,
        version: Callable[[str, int, int], int] | None = None,
        questions: Questions | None = None,
        spent: Callable[[], float] | None = None,
        padded: bool = False,
    ) -> None:
        self._program = program
        self._spent = spent
        self._questions: dict[str, Callable[..., Any]] = dict(questions or {})
        if version is not None:
            self._questions["workflow.version"] = version
        self._clock = protocol.Clock(now=0)
        self._watch = Stopwatch()
        self.seconds = MAX_SECONDS_OF_A_WORKFLOW if boot.get("class") == "workflow" else MAX_SECONDS
        self._interrupt: BaseException | None = None
        self._interpreter: Interpreter | None = None
        try:
            self._interpreter = Interpreter(
                self._host, program.memory, program.kernel.chunk("kernel/boot"), padded=padded
            )
            self._interpreter.call(b"boot", protocol.encode(self._boot_header(boot)))
        except LuaMemoryError as error:
            raise self._out_of_memory() from error
        except LuaError as error:  # its kernel is of another version, and says that it does not fit
            text = (
                f"the kernel {program.kernel.hash} of bundle {program.bundle} does not run on this version of Evermoon"
            )
            raise Error(UNAVAILABLE, f"{text}: {error}", retryable=True) from None

    def step(self, events: Sequence[protocol.Event], clock: protocol.Clock) -> protocol.Batch:
        """Hands the kernel a batch of events. What the script did wrong is in the batch, never raised."""
        self._clock = clock
        header = {"events": list(events), **_clock_fields(clock)}
        try:
            answer = self._entered(b"step", header)
        except LuaMemoryError:
            return protocol.Batch("failed", error=self._out_of_memory(), spent="memory")
        return protocol.decode(answer)

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        """Asks without changing anything. Raises `Error` when the handler fails or there is none."""
        batch = self._ask(b"query", name, args)
        return batch.value if batch.value is not None else NOTHING

    def validate(self, name: str, args: Sequence[Payload]) -> None:
        """Runs an update's validator. Raises `Error` when it rejects, or when nobody handles the update."""
        self._ask(b"validate", name, args)

    def limit_time(self, seconds: float) -> None:
        """Seconds of processor time that one event may take from now on."""
        self.seconds = seconds

    def memory_used(self) -> int:
        """Bytes that Lua holds for it."""
        return self._interpreter.memory_used() if self._interpreter is not None else 0

    def close(self) -> None:
        """Frees the interpreter. Idempotent."""
        if self._interpreter is not None:
            self._interpreter.close()
            self._interpreter = None

    def _ask(self, kind: bytes, name: str, args: Sequence[Payload]) -> protocol.Batch:
        try:
            header = {"name": name, "args": list(args), **_clock_fields(self._clock)}
            batch = protocol.decode(self._entered(kind, header))
        except LuaMemoryError as error:
            raise self._out_of_memory() from error
        if batch.error is not None:
            raise batch.error
        return batch

    def _entered(self, name: bytes, header: Mapping[str, Any]) -> bytes:
        if self._interpreter is None:
            raise Error(INTERNAL, "the session is closed", retryable=False)
        try:
            answer = self._interpreter.call(name, protocol.encode(header))
        except LuaMemoryError:
            raise
        except LuaError as error:  # a fault of the kernel, not of the script
            if str(error).endswith("not enough memory"):
                raise LuaMemoryError(str(error)) from error
            raise RuntimeError(f"kernel fault in {self._program.entry}: {error}") from error
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        return answer

    def _boot_header(self, boot: Mapping[str, Any]) -> dict[str, Any]:
        program = self._program
        return {
            **boot,
            "protocol": protocol.VERSION,
            "entry": program.entry,
            "method": program.method,
            "units": program.boot_units,
            "limits": {"instructions": program.instructions, "memory": program.memory},
        }

    def _out_of_memory(self) -> Error:
        program = self._program
        text = f"memory limit of {program.memory} spent: raise limits.memory of {program.entry}, or keep less"
        return Error(LIMIT_EXCEEDED, text, retryable=False, details={"limit": "memory"})

    def _host(self, name: bytes, *args: Any) -> tuple[Any, ...]:
        """Every call of the kernel into Python. Never raises: an exception object in Lua's hands would be a way out."""
        try:
            return _for_lua(self._answer(name.decode(), args))
        except Error as error:
            return (False, error.kind.encode("utf-8", "replace"), error.message.encode("utf-8", "replace"))
        except Exception:
            _log.exception("host function %s failed", name)
            return (False, INTERNAL.encode(), name + b" failed in the host")
        except BaseException as error:  # Ctrl-C: goes on once Lua has returned
            self._interrupt = error
            return (False, INTERNAL.encode(), name + b" was interrupted")

    def _answer(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if name == "begin":
            self._watch = Stopwatch()
            return (True, self._spent is not None and self._spent() > _HURRIED)
        if name == "overdue":
            return (True, self._watch.over(self.seconds) or (self._spent is not None and self._spent() >= 1))
        if name == "chunk":
            return (True, self._program.kernel.chunk(args[0].decode()))
        if name == "source":
            return (True, self._program.units[args[0].decode()].code)
        question = self._questions.get(name)
        if question is not None:
            value = question(*(arg.decode() if isinstance(arg, bytes) else arg for arg in args))
        elif name in FUNCTIONS:
            value = FUNCTIONS[name](*args)
        else:
            raise invalid(f"{name} is not available here")
        return (True, *value) if isinstance(value, tuple) else (True, value)


def _for_lua(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values as Lua may have them: scalars only, text as bytes. Anything else would arrive as a Python object."""
    return tuple(_scalar(value) for value in values)


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if value is None or isinstance(value, bool | int | float | bytes):
        return value
    raise TypeError(f"a host function gave a {type(value).__name__}")


def _clock_fields(clock: protocol.Clock) -> dict[str, Any]:
    return {
        "now": clock.now,
        "history_length": clock.history_length,
        "history_size": clock.history_size,
        "continue_as_new_suggested": clock.continue_as_new_suggested,
        "replaying": clock.replaying,
    }
