"""One sealed Lua 5.4 interpreter: the only code that touches lupa.

No Python object is ever in a script's reach. The kernel holds the one host function as an upvalue; it takes and gives
scalars, never raises, and is gone from the globals with everything else before a script is loaded. Attribute access from Lua is
denied altogether, because a Python callable in a script's reach is a way out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, NoReturn

import lupa.lua54 as lupa

from runtime.errors import invalid
from runtime.lua import locales
from runtime.modules import weighing

HostFunction = Callable[..., tuple[Any, ...]]

#: What the kernel and its modules take in a fresh interpreter, so that `limits.memory` is the script's own.
_KERNEL_BYTES = 8 * 1024 * 1024

#: What is free at least when Lua is handed something: room for what lupa makes around it.
_ROOM = 64 * 1024

#: Tables and strings of many sizes, every other one kept: what comes later lies elsewhere than in an interpreter without them.
_PADDING = b"""
local kept = {}
for i = 1, 400 do
  local item = { [i] = ("pad"):rep(i % 37) .. i, ["key" .. i] = i }
  if i % 2 == 0 then kept[#kept + 1] = item end
end
return kept
"""

LuaError = lupa.LuaError
LuaMemoryError = lupa.LuaMemoryError


def _deny(_object: object, name: object, _setting: bool) -> NoReturn:
    raise AttributeError(f"no attribute {name!r}")


def _runtime(memory: int | None = None) -> Any:
    locales.pin()
    return lupa.LuaRuntime(
        encoding=None,  # strings are bytes; text is a matter for whoever reads it
        unpack_returned_tuples=True,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_deny,
        max_memory=memory + _KERNEL_BYTES if memory else None,
    )


_compiler_lock = threading.Lock()


@cache
def _dump() -> Any:
    """A function ``(source, chunk name, strip) -> bytecode | nil, message`` of an interpreter that runs nothing else."""
    return _runtime().execute(
        b"local load, dump = load, string.dump; return function(source, name, strip) "
        b'local f, message = load(source, name, "t"); if not f then return nil, message end; return dump(f, strip) end'
    )


@lru_cache(maxsize=4096)
def compile_lua(source: bytes, chunk_name: bytes) -> bytes:
    """Bytecode of a script's text, with its line numbers. Raises `Error` INVALID with Lua's message (``file:line: what``), and for
    text that would keep the compiler, of which all wait for their turn.

    Bytecode made here is the only kind ever loaded: `load` in a script takes text alone, since forged bytecode can crash
    the process.
    """
    weighing.check(source, chunk_name.decode("utf-8", "replace").lstrip("@="))
    return _compiled(source, chunk_name, False)


def compile_stripped(source: bytes, chunk_name: bytes) -> bytes:
    """Bytecode of the kernel's own text, without line numbers."""
    return _compiled(source, chunk_name, True)


def _compiled(source: bytes, chunk_name: bytes, strip: bool) -> bytes:
    with _compiler_lock:
        answer = _dump()(source, chunk_name, strip)
    if isinstance(answer, tuple):
        raise invalid(answer[1].decode("utf-8", "replace"))
    code: bytes = answer
    return code


def _bytes_of(values: Sequence[Any]) -> int:
    return sum([len(value) for value in values if type(value) is bytes])


def _closed(*_args: Any) -> tuple[Any, ...]:
    return (False,)


class Interpreter:
    """A Lua state with a kernel in it. One owner at a time; `close` frees it on the caller's thread.

    It is made by the kernel's boot chunk, for a first program with this host function and so many bytes of memory. Where it
    `serves_many`, that chunk made nothing of a program yet: `begin` does, and after `clear` it may `serve` another one. A kernel of old has begun already.
    `call` enters the kernel, with scalars and bytes; it raises `LuaError` only for a fault in the kernel itself, and
    `LuaMemoryError` when not even the kernel could allocate. `padded`: the heap begins with things that nobody uses.
    """

    def __init__(self, host: HostFunction, memory: int, boot_chunk: bytes, *, padded: bool = False) -> None:
        self._lua = _runtime(memory)
        self._host = host
        self._limit = memory + _KERNEL_BYTES
        self._raised = False
        #: Whether what it is handed by `call` must fit into its memory.
        self.counts_given = False
        self._padding = self._lua.execute(_PADDING) if padded else None
        self._begin: Any = None
        self._clear: Any = None
        self._entry: Any = None
        #: How many programs began in it, and how many bytes it held when it had been cleared.
        self.served = self.held = 0
        boot = self._lua.compile(boot_chunk, name=b"=evermoon/kernel/boot", mode=b"b")
        made = boot(self._answered)
        if isinstance(made, tuple):
            self._begin, self._clear = made
        else:
            self._entry = made

    @property
    def serves_many(self) -> bool:
        return self._begin is not None

    def begin(self, *arguments: Any) -> None:
        """A program, of which the kernel is told this."""
        self.served += 1
        self._make_room(_bytes_of(arguments))
        self._entry = self._begin(*arguments)

    def clear(self) -> None:
        """Lets the program go, and all that it made. Raises `LuaError` where there is no memory even for that."""
        self._entry = None
        self._host = _closed
        self._restore_limit()
        self.held = int(self._clear() * 1024)

    def serve(self, host: HostFunction, memory: int) -> None:
        """The next program's host, and its memory."""
        self._host = host
        if memory + _KERNEL_BYTES != self._limit:
            self.limit_memory(memory + _KERNEL_BYTES)

    def call(self, *arguments: Any) -> Any:
        if self._raised:
            self._restore_limit()
        if self.counts_given and not self.fits(_bytes_of(arguments)):
            raise LuaMemoryError("not enough memory")
        # lupa pushes arguments unprotected: where Lua has no memory left for them, it would abort the process.
        self._make_room(_bytes_of(arguments))
        return self._entry(*arguments)

    def _answered(self, *args: Any) -> tuple[Any, ...]:
        """What the host answers, with room made for it.

        Lua has no memory left for it: lupa would be left by a jump while it holds the GIL, and nobody would get it again. So the
        limit gives way by as much, until the host is next asked; the script's next allocation finds it spent. What is large does not
        come here without memory for it (`fits`).
        """
        self._restore_limit()
        values = self._host(*args)
        self._make_room(_bytes_of(values))
        return values

    def fits(self, size: int) -> bool:
        """Whether so many bytes more are within the limit, once what nobody holds any longer is gone."""
        most = self._limit - size - _ROOM
        if self._lua.get_memory_used() > most:
            self._lua.gccollect()
        return bool(self._lua.get_memory_used() <= most)

    def _make_room(self, size: int) -> None:
        """Lets `size` bytes be allocated once more, whatever the limit; it holds again when the host is next asked."""
        needed: int = self._lua.get_memory_used() + size + _ROOM
        if needed > self._limit:
            self._lua.set_max_memory(needed)
            self._raised = True

    def _restore_limit(self) -> None:
        if self._raised:
            self._lua.set_max_memory(self._limit)
            self._raised = False

    def limit_memory(self, limit: int) -> None:
        """Bytes that may be allocated from now on, the kernel's included."""
        self._limit = limit
        self._lua.set_max_memory(limit)

    def memory_used(self) -> int:
        """Bytes allocated by Lua, the kernel's included."""
        used: int = self._lua.get_memory_used()
        return used

    def close(self) -> None:
        self._begin = self._clear = self._entry = None
        self._host = _closed
        self._padding = None
        self._lua = None
