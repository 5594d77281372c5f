"""A pool of interpreters that serve many programs, one after another: making one costs more than a small program does.

A kernel of today makes everything that a program can reach anew when it begins, and nothing of it is left when it has ended
(`kernel/boot.lua`). One that ended otherwise than well is not used again all the same.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque

from runtime.lua.interpreter import HostFunction, Interpreter, LuaError
from runtime.lua.kernel import Kernel

#: How many programs an interpreter serves.
_PROGRAMS = 200
#: What one may hold that serves none, in bytes: the kernel with every module takes a quarter of it.
_HELD = 2 * 1024 * 1024
#: How many may serve none at a time, and what they may hold together.
_IDLE = 64
_IDLE_BYTES = 32 * 1024 * 1024


class Interpreters:
    """A bounded pool of the interpreters that serve no program at present, by kernel. It is thread-safe; an interpreter that is taken has one owner until it is given back."""

    def __init__(self, programs: int = _PROGRAMS) -> None:
        self._programs = programs
        self._idle: defaultdict[str, deque[Interpreter]] = defaultdict(deque)
        self._count = self._bytes = 0
        self._lock = threading.Lock()

    def take(self, kernel: Kernel, host: HostFunction, memory: int, *, new: bool = False) -> Interpreter:
        """One that has served before, or a new one. `memory` is that of its next program. Raises `LuaError` as a new one does."""
        interpreter = self._taken(kernel) if not new else None
        if interpreter is None:
            return Interpreter(host, memory, kernel.chunk("kernel/boot"))
        interpreter.serve(host, memory)
        return interpreter

    def _taken(self, kernel: Kernel) -> Interpreter | None:
        with self._lock:
            idle = self._idle.get(kernel.hash)
            if not idle:
                return None
            interpreter = idle.pop()
            self._count -= 1
            self._bytes -= interpreter.held
            return interpreter

    def give_back(self, kernel: Kernel, interpreter: Interpreter) -> None:
        """For the next program, when the last one ended well; closes it where it has served enough, or holds too much."""
        if not self._is_fit(interpreter):
            interpreter.close()
            return
        with self._lock:
            full = self._count >= _IDLE or self._bytes + interpreter.held > _IDLE_BYTES
            if not full:
                self._idle[kernel.hash].append(interpreter)
                self._count += 1
                self._bytes += interpreter.held
        if full:
            interpreter.close()

    def _is_fit(self, interpreter: Interpreter) -> bool:
        if not interpreter.serves_many or interpreter.served >= self._programs:
            return False
        try:
            interpreter.clear()
        except LuaError:  # no memory left for it
            return False
        return interpreter.held <= _HELD


#: Those of this process.
SHARED = Interpreters()
