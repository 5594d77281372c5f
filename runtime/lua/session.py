"""A program being run: the kernel in its own interpreter, stepped with events and answering with commands.

Everything here is synchronous. A session has one owner at a time; `close` it on the thread that drops it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from runtime.errors import INTERNAL, LIMIT_EXCEEDED, Error, internal, invalid, limit_exceeded, unavailable
from runtime.lua import frames, protocol, steps
from runtime.lua.interpreter import Interpreter, LuaError, LuaMemoryError
from runtime.lua.interpreters import SHARED, Interpreters
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
#: Of processor time, to write a large value: those are limited by size.
_SECONDS_OF_A_BYTE = 1e-7
#: Of everybody's time that a question may take, which leaves no trace: whoever asked is told so while they still wait for an answer.
_QUESTION_SECONDS = 3.0
#: Of the time that an event shares with others: above it the program looks at the clock from the beginning.
_HURRIED = 0.2
#: What takes less is not measured more closely than by the clock on the wall, since that would take as long.
_SHORT = 0.001
#: Instead of an answer that has no place in it.
_NO_ROOM = (False, b"memory", b"there is no memory for the answer")


class KernelPort(Protocol):
    """The way in which a session speaks to its kernel, which the two protocols have in common."""

    def begin(self, interpreter: Interpreter) -> None: ...
    def step(
        self,
        interpreter: Interpreter,
        events: Sequence[protocol.Event],
        clock: protocol.Clock,
        begin: Callable[[], bool],
    ) -> protocol.Answer: ...
    def ask(
        self, interpreter: Interpreter, kind: str, name: str, args: Sequence[Payload], clock: protocol.Clock
    ) -> protocol.Answer: ...
    def read(self, answer: protocol.Answer) -> protocol.Batch: ...
    def told(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...] | None: ...


#: How kernels are spoken to, by the protocol they say they speak.
_SPOKEN: Mapping[int, Callable[[Program, Mapping[str, Any]], KernelPort]] = {
    frames.VERSION: frames.Frames,
    steps.VERSION: steps.Steps,
}


class Session:
    """A program in an interpreter. `boot`: class ("workflow", "function", "process", "handler", "activity"), pid, entry, seed (0 <= seed < 2**63), ctx, info. A function in it stands for what
    it gives when the kernel asks, on the thread of the step.

    `version(change_id, min, max)` answers `workflow.version`; `questions` may hold further ones ("workflow.patched", ...).
    Where none is given a question fails as INVALID. `spent`: what is used of the time that a step shares with others, 1 for all of
    it. `padded`: in an interpreter of its own, whose heap begins otherwise than usual; else in one of `interpreters`, which get it back
    when the program is closed, unless it spent a limit or the kernel failed. A process begins in a new one: it waits for long, and
    should not hold what others loaded.
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
        interpreters: Interpreters = SHARED,
    ) -> None:
        self._program = program
        self._interpreters = None if padded else interpreters
        self._sound = False
        self._spent = spent
        self._questions: dict[str, Callable[..., Any]] = dict(questions or {})
        if version is not None:
            self._questions["workflow.version"] = version
        self._clock = protocol.Clock(now=0)
        self._since = (0.0, 0.0)
        self._is_asked = False
        self._step_since: tuple[float, float] | None = None
        self.seconds = MAX_SECONDS_OF_A_WORKFLOW if boot.get("class") == "workflow" else MAX_SECONDS
        self.patience = 1.0  # times as long may an event take
        self._waits_long = boot.get("class") == "process"
        self._interrupt: BaseException | None = None
        self._interpreter: Interpreter | None = None
        kernel = program.kernel
        if kernel.protocol not in _SPOKEN:
            speaks = f"it speaks protocol {kernel.protocol}, the host {' and '.join(map(str, _SPOKEN))}"
            raise self._unfit(speaks)
        self._kernel: KernelPort = _SPOKEN[kernel.protocol](program, boot)
        self._begin()
        try:
            self._interpreter = self._taken()
            self._interpreter.counts_given = program.kernel.counts_given
            self._kernel.begin(self._interpreter)
            self._sound = True
        except LuaMemoryError as error:
            raise self._out_of_memory() from error
        except LuaError as error:
            raise self._unfit(str(error)) from None
        finally:
            if not self._sound:
                self.close()

    def _taken(self) -> Interpreter:
        kernel, memory = self._program.kernel, self._program.memory
        if self._interpreters is None:
            return Interpreter(self._host, memory, kernel.chunk("kernel/boot"), padded=True)
        return self._interpreters.take(kernel, self._host, memory, new=self._waits_long)

    def step(self, events: Sequence[protocol.Event], clock: protocol.Clock) -> protocol.Batch:
        """Hands the kernel a batch of events. What the script did wrong is in the batch, never raised."""
        self._clock = clock
        self._step_since = None
        try:
            answer = self._stepped(events, clock)
        except LuaMemoryError:
            return protocol.Batch("failed", error=self._out_of_memory(), spent="memory")
        batch = self._kernel.read(answer)
        self._sound = self._sound and batch.spent is None
        return batch

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        """Asks without changing anything. Raises `Error` when the handler fails or there is none."""
        batch = self._ask("query", name, args)
        return batch.value if batch.value is not None else NOTHING

    def validate(self, name: str, args: Sequence[Payload]) -> None:
        """Runs an update's validator. Raises `Error` when it rejects, or when nobody handles the update."""
        self._ask("validate", name, args)

    def limit_time(self, seconds: float) -> None:
        """Seconds of processor time that one event may take from now on."""
        self.seconds = seconds

    def taken(self) -> float:
        """Seconds of processor time that the last step took, at most."""
        if self._step_since is None:
            return 0.0
        cpu, wall = self._step_since
        waited = time.monotonic() - wall
        return waited if waited < _SHORT else time.thread_time() - cpu

    def memory_used(self) -> int:
        """Bytes that Lua holds for it."""
        return self._interpreter.memory_used() if self._interpreter is not None else 0

    def close(self) -> None:
        """Frees the interpreter, for others where nothing speaks against it. Idempotent."""
        interpreter, self._interpreter = self._interpreter, None
        if interpreter is None:
            return
        if self._sound and self._interpreters is not None:
            self._interpreters.give_back(self._program.kernel, interpreter)
        else:
            interpreter.close()

    def _ask(self, kind: str, name: str, args: Sequence[Payload]) -> protocol.Batch:
        self._is_asked = True
        try:
            batch = self._kernel.read(self._asked(kind, name, args))
        except LuaMemoryError as error:
            raise self._out_of_memory() from error
        finally:
            self._is_asked = False
        if batch.error is not None:
            self._sound = self._sound and batch.error.kind != LIMIT_EXCEEDED
            raise batch.error
        return batch

    def _stepped(self, events: Sequence[protocol.Event], clock: protocol.Clock) -> protocol.Answer:
        return self._entered(lambda interpreter: self._kernel.step(interpreter, events, clock, self._begin))

    def _asked(self, kind: str, name: str, args: Sequence[Payload]) -> protocol.Answer:
        self._begin()
        return self._entered(lambda interpreter: self._kernel.ask(interpreter, kind, name, args, self._clock))

    def _entered(self, call: Callable[[Interpreter], protocol.Answer]) -> protocol.Answer:
        if self._interpreter is None:
            raise internal("the session is closed")
        sound, self._sound = self._sound, False
        try:
            answer = call(self._interpreter)
        except LuaMemoryError:
            raise
        except LuaError as error:  # a fault of the kernel, not of the script
            if str(error).endswith("not enough memory"):
                raise LuaMemoryError(str(error)) from error
            raise RuntimeError(f"kernel fault in {self._program.entry}: {error}") from error
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        self._sound = sound
        return answer

    def _begin(self) -> bool:
        """Starts the clock of an event. Whether little is left of the time that it shares with others."""
        self._since = time.thread_time(), time.monotonic()
        if self._step_since is None:
            self._step_since = self._since
        return self._spent is not None and self._spent() > _HURRIED

    def _is_overdue(self) -> bool:
        """Whether that event took more than it may of processor time, or too long for those who wait."""
        cpu, wall = self._since
        if self._is_asked and time.monotonic() - wall > _QUESTION_SECONDS:
            return True
        taken, patience = time.thread_time() - cpu, self.patience
        if taken > self.seconds * patience:
            return True
        if taken > _FAIR_SECONDS and time.monotonic() - wall > MAX_WALL_SECONDS * patience:
            return True
        return self._spent is not None and self._spent() >= 1

    def _excuse(self, size: int) -> None:
        """Leaves out of the time of the event what the writing of a value of so many bytes has taken. The kernel bounds their sum."""
        self._since = self._since[0] + size * _SECONDS_OF_A_BYTE, time.monotonic()

    def _unfit(self, why: str) -> Error:
        kernel, bundle = self._program.kernel.hash, self._program.bundle
        text = f"the kernel {kernel} of bundle {bundle} does not run on this version of Evermoon"
        return unavailable(f"{text}: {why}")

    def _out_of_memory(self) -> Error:
        program = self._program
        text = f"memory limit of {program.memory} spent: raise limits.memory of {program.entry}, or keep less"
        return limit_exceeded(text, limit="memory")

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
        if name == "overdue":
            return (True, self._is_overdue())
        if name == "begin":
            return (True, self._begin())
        if name == "large":
            self._excuse(args[0])
            return (True,)
        if name == "chunk":
            return (True, self._program.kernel.chunk(args[0].decode()))
        answer = self._kernel.told(name, args)
        if answer is not None:
            return (True, *answer)
        question = self._questions.get(name)
        if question is not None:
            try:
                told = [arg.decode() if isinstance(arg, bytes) else arg for arg in args]
            except UnicodeDecodeError:
                raise invalid(f"{name}: what is asked for is not valid UTF-8") from None
            value = question(*told)
        elif name in FUNCTIONS:
            value = FUNCTIONS[name](*args)
        else:
            raise invalid(f"{name} is not available here")
        values = value if isinstance(value, tuple) else (value,)
        return (True, *values) if self._has_room(values) else _NO_ROOM

    def _has_room(self, values: tuple[Any, ...]) -> bool:
        """Whether the script has memory for an answer. The kernel's own files come without: it cannot do without them."""
        interpreter = self._interpreter
        if interpreter is None or not interpreter.counts_given:
            return True
        return interpreter.fits(sum([len(value) for value in values if isinstance(value, str | bytes)]))


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
