"""The compiler of scripts: bytecode in which a call of the API has the line it was made from.

A tail call leaves no frame of its caller, so nobody could say later where a script waits that ended in ``return funcs.call(…)``: not
the history, not a stack, not an error. So such calls are compiled as plain ones. Those of a script's own functions stay as they are:
recursion by tail calls may go on without end.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from runtime.lua import opcodes
from runtime.lua.analysis import read, writes
from runtime.lua.bindings import SourceCall, calls_of, fields_set
from runtime.lua.interpreter import compile_lua
from runtime.modules.catalogue import ALWAYS

_GLOBALS = """
_G _VERSION assert error getmetatable ipairs load next pairs pcall rawequal rawget rawlen rawset require select setmetatable
tonumber tostring type xpcall string table math utf8 coroutine subscribe unsubscribe
"""
_METHODS = """
call async await exec spawn spawn_monitored spawn_linked spawn_linked_monitored receive send add compensate reset
query execute prepare begin commit rollback savepoint rollback_to release stats get set put has delete entry list info
read close ack nack
"""
#: What `kernel/sandbox` puts into every environment, and `kernel/main` beside the modules.
GLOBALS = frozenset(_GLOBALS.split())
#: Methods of the API's objects that wait, or ask something of the host: calls of them are of the API on whatever they are.
METHODS = frozenset(_METHODS.split())

_A_AND_B = 0x00FF7F80  # of the parts of an instruction


@lru_cache(maxsize=4096)
def compile_script(source: str, name: str, modules: Collection[str], imports: Collection[str]) -> bytes:
    """Bytecode of the file `name`, which may require these modules, and imports under these aliases.

    Raises `Error` INVALID with Lua's message.
    """
    code = compile_lua(source.encode(), f"@{name}".encode())
    main = read(code)
    known = GLOBALS.union(ALWAYS, modules) - {"_G", *imports, *writes(main)}
    own = fields_set(main)
    places = [_place(call) for call in calls_of(main) if call.is_tail and _is_of_api(call, known, own)]
    return _made_plain(code, places) if places else code


def without_tail_calls(code: bytes) -> bytes:
    """The code of a module in which every call leaves its frame, so that a function of the API is seen under the name it is called by."""
    places = [
        function.offset + 4 * at
        for function in read(code).all()
        for at, step in enumerate(function.code)
        if step.op == opcodes.TAILCALL
    ]
    return _made_plain(code, places)


def _is_of_api(call: SourceCall, known: Collection[str], own: Collection[str]) -> bool:
    if call.path:
        return call.path[0] in known
    return call.is_method and call.name in METHODS and not (call.on_own and call.name in own)


def _place(call: SourceCall) -> int:
    return call.function.offset + 4 * call.at


def _made_plain(code: bytes, places: list[int]) -> bytes:
    """With these tail calls as calls of as many results as there are. What returns those stands behind each already."""
    changed = bytearray(code)
    for place in places:
        word = int.from_bytes(changed[place : place + 4], "little")
        changed[place : place + 4] = (word & _A_AND_B | opcodes.CALL).to_bytes(4, "little")
    return bytes(changed)
