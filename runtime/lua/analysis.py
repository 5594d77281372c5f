"""The analysis of a script: what it names and calls, at which lines, read from the bytecode that we compiled of it. Nothing is run.

The compiler has resolved which names are locals and which are globals, so this knows more than the text shows. The form is that
of `string.dump` in Lua 5.4, debug information included (`lundump.c`, `lopcodes.h`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from runtime.lua import opcodes as op
from runtime.lua.interpreter import compile_lua

_HEADER = 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1
_NIL, _FALSE, _TRUE, _FLOAT, _INTEGER, _SHORT, _LONG = 0, 1, 17, 19, 3, 4, 20

Constant = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Instruction:
    op: int
    a: int
    b: int
    c: int
    bx: int
    line: int


_NOTHING = Instruction(op.RETURN, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Local:
    """A local variable: its register, and the instructions between which it is there."""

    name: str
    register: int
    start: int
    end: int


@dataclass(slots=True)
class Function:
    """One function. `captured` says of each upvalue where the function around has it: in a register (True), or as an upvalue itself."""

    code: list[Instruction] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    locals: list[Local] = field(default_factory=list)
    upvalues: list[str] = field(default_factory=list)
    captured: list[tuple[bool, int]] = field(default_factory=list)
    inner: list[Function] = field(default_factory=list)
    line: int = 0
    """Where it is defined; 0 of a file's own."""
    offset: int = 0
    """Of its first instruction in the bytecode; each has four bytes."""

    def all(self) -> Iterator[Function]:
        yield self
        for function in self.inner:
            yield from function.all()


@dataclass(frozen=True, slots=True)
class Named:
    """A name at a line. `path` is what is looked up, ``("math", "sin")``; `text` the literal that comes first in its call."""

    path: tuple[str, ...]
    line: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """A call of `module`.`function` with literal text: ``env.get("NAME")``, ``http_client.get("http://…" .. path)``.

    `texts` are its first arguments as far as they are literal; `whole`: whether the last of them is all of that argument, rather
    than what it begins with.
    """

    module: str
    function: str
    texts: tuple[str, ...]
    whole: bool
    line: int


class _DumpReader:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._at = _HEADER

    def byte(self) -> int:
        self._at += 1
        return self._code[self._at - 1]

    def size(self) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte & 0x80:
                return value

    def take(self, count: int) -> bytes:
        self._at += count
        return self._code[self._at - count : self._at]

    def text(self) -> str:
        size = self.size()
        return self.take(size - 1).decode("utf-8", "replace") if size else ""

    def constant(self) -> Constant:
        kind = self.byte()
        if kind in (_SHORT, _LONG):
            return self.text()
        if kind == _INTEGER:
            return int(struct.unpack("<q", self.take(8))[0])
        if kind == _FLOAT:
            return float(struct.unpack("<d", self.take(8))[0])
        return {_FALSE: False, _TRUE: True}.get(kind)

    def function(self) -> Function:
        self.text()
        line = self.size()
        self.size()
        self.take(3)
        count = self.size()
        found = Function(line=line, offset=self._at)
        words = struct.unpack(f"<{count}I", self.take(4 * count))
        found.constants = [self.constant() for _ in range(self.size())]
        found.captured = [(bool(self.byte()), self.take(2)[0]) for _ in range(self.size())]
        found.inner = [self.function() for _ in range(self.size())]
        steps = struct.unpack(f"<{(count := self.size())}b", self.take(count))
        absolute = {self.size(): self.size() for _ in range(self.size())}
        for _ in range(self.size()):
            name, start, end = self.text(), self.size(), self.size()
            register = sum(other.end > start for other in found.locals)  # of those declared before, still there
            found.locals.append(Local(name, register, start, end))
        found.upvalues = [self.text() for _ in range(self.size())]
        for at, word in enumerate(words):
            step = steps[at] if steps else 0  # none in what was stripped
            line = absolute[at] if step == -128 else line + step
            found.code.append(_instruction(word, line))
        return found


def _instruction(word: int, line: int) -> Instruction:
    return Instruction(word & 0x7F, word >> 7 & 0xFF, word >> 16 & 0xFF, word >> 24 & 0xFF, word >> 15, line)


@lru_cache(maxsize=1024)
def analysed(source: str, name: str) -> Function:
    """The main function of a script. Raises `Error` INVALID, with the line, for one that does not compile."""
    return read(compile_lua(source.encode(), f"@{name}".encode()))


def read(code: bytes) -> Function:
    """The main function of bytecode that the host has made."""
    return _DumpReader(code).function()


def _is_global(function: Function, at: int) -> bool:
    return at < len(function.upvalues) and function.upvalues[at] == "_ENV"


def reads(main: Function) -> Iterator[Named]:
    """Every global that is read, with the fields that are looked up in it at once."""
    for function in main.all():
        for at, step in enumerate(function.code):
            if step.op == op.GETTABUP and _is_global(function, step.b):
                yield Named(_path(function, at), step.line, _argument(function, at + 1, step.a))


def writes(main: Function) -> set[str]:
    """The globals that are set."""
    return {
        str(function.constants[step.b])
        for function in main.all()
        for step in function.code
        if step.op == op.SETTABUP and _is_global(function, step.a)
    }


def calls(main: Function) -> Iterator[Named]:
    """Every field or method that is looked up and called with a literal text first: `x.name("text")`, `x:name("text")`."""
    for function in main.all():
        for at, step in enumerate(function.code):
            if step.op in (op.GETFIELD, op.SELF) or (step.op == op.GETTABUP and not _is_global(function, step.b)):
                register = step.a + (1 if step.op == op.SELF else 0)
                text = _argument(function, at + 1, register)
                if text is not None:
                    yield Named((str(_constant(function, step.c)),), step.line, text)


def module_calls(main: Function, modules: Sequence[str]) -> Iterator[ModuleCall]:
    """The calls of these modules: by their own names, and through locals that are bound to `require` of one and to nothing else.

    What is computed, or handed around, is left to the run.
    """
    rebound = writes(main)
    if "require" in rebound or any(local.name == "_ENV" for function in main.all() for local in function.locals):
        return  # its globals, or its modules, are not ours
    if any(named.path[0] == "_G" for named in reads(main)):
        return  # it may set any of them by name
    known = {module: module for module in modules if module not in rebound}
    assigned = {
        function.upvalues[step.b] for function in main.all() for step in function.code if step.op == op.SETUPVAL
    }
    yield from _module_calls(main, known, [None] * len(main.upvalues), assigned)


def _module_calls(
    function: Function, known: Mapping[str, str], captured: Sequence[str | None], assigned: set[str]
) -> Iterator[ModuleCall]:
    bound = [(local, _required(function, local, known)) for local in function.locals if local.name not in assigned]
    kept = [(local, module) for local, module in bound if module is not None]
    for at, step in enumerate(function.code):
        module = _looked_up(function, at, known, kept, captured)
        if module is not None:
            yield from _literal_call(function, at, module)
        if step.op == op.CLOSURE:
            inner = function.inner[step.bx]
            around = [
                _held(kept, place, at + 1) if in_register else captured[place] for in_register, place in inner.captured
            ]
            yield from _module_calls(inner, known, around, assigned)


def _required(function: Function, local: Local, known: Mapping[str, str]) -> str | None:
    """The module of ``local x = require("…")``, when nothing else is ever put into `x`."""
    made = next(
        (at for at in range(local.start - 1, 1, -1) if _sets(function.code[at], local.register)),
        0,
    )
    if made < 2 or any(_sets(step, local.register) for step in function.code[local.start : local.end]):
        return None
    before, asked, named, called = [_NOTHING, *function.code][made - 2 : made + 2]
    is_require = asked.op == op.GETTABUP and _is_global(function, asked.b) and _constant(function, asked.c) == "require"
    if called.op != op.CALL or not is_require or asked.a != local.register or before.op in (op.JMP, op.TEST):
        return None  # also where it is one of several values: `x or require("…")`
    name = _constant(function, named.bx) if named.op == op.LOADK else None
    return name if isinstance(name, str) and name in known else None


def _sets(step: Instruction, register: int) -> bool:
    return step.a == register and step.op not in op.NO_TARGET


def _held(kept: Sequence[tuple[Local, str]], register: int, at: int) -> str | None:
    """The module that a register holds at an instruction."""
    return next(
        (module for local, module in kept if local.register == register and local.start <= at < local.end), None
    )


def _looked_up(
    function: Function,
    at: int,
    known: Mapping[str, str],
    kept: Sequence[tuple[Local, str]],
    captured: Sequence[str | None],
) -> str | None:
    """The module whose field the instruction looks up."""
    step, before = function.code[at], function.code[at - 1] if at else None
    if step.op == op.GETTABUP and not _is_global(function, step.b):
        return captured[step.b]
    if step.op != op.GETFIELD:
        return None
    if before is not None and before.op == op.GETTABUP and before.a == step.b and _is_global(function, before.b):
        tested = function.code[at - 3] if at > 2 and function.code[at - 2].op == op.JMP else None
        if tested is not None and tested.op in (op.TEST, op.TESTSET) and tested.a == step.b:
            return None  # one of several values: `x or env`
        return known.get(str(_constant(function, before.c)))
    return _held(kept, step.b, at)


def _literal_call(function: Function, at: int, module: str) -> Iterator[ModuleCall]:
    step = function.code[at]
    name = str(_constant(function, step.c))
    texts: list[str] = []
    while (text := _argument(function, at + 1 + len(texts), step.a + len(texts))) is not None:
        texts.append(text)
    after = function.code[at + 1 + len(texts) :]
    end = next((i for i, item in enumerate(after) if item.op in (op.CALL, op.TAILCALL) and item.a == step.a), None)
    if end is None:
        return
    for position in range(len(texts)):
        changed = next((item for item in after[:end] if _sets(item, step.a + 1 + position)), None)
        if changed is not None:  # it is the beginning of a longer text, or of something else that is computed
            texts = texts[: position + (changed.op == op.CONCAT)]
            if texts:
                yield ModuleCall(module, name, tuple(texts), len(texts) == position, step.line)
            return
    if texts:
        yield ModuleCall(module, name, tuple(texts), True, step.line)


def powers(main: Function) -> Iterator[int]:
    """Lines of `^`; a square is computed by multiplication."""
    for function in main.all():
        for step in function.code:
            if step.op == op.POW or (step.op == op.POWK and _constant(function, step.c) != 2):
                yield step.line


def texts(main: Function) -> set[str]:
    """Every name and literal text."""
    return {constant for function in main.all() for constant in function.constants if isinstance(constant, str)}


def returns(main: Function) -> str | None:
    """What the chunk returns: "nothing", "function", or "table" made of literal keys; None when that is not to be seen."""
    values = [
        (at, step)
        for at, step in enumerate(main.code)
        if step.op == op.RETURN1 or (step.op == op.RETURN and step.b != 1)
    ]
    if not values:
        tail = any(step.op == op.TAILCALL for step in main.code)
        return None if tail else "nothing"
    if len(values) > 1:
        return None
    at, step = values[0]
    made = [item.op for item in main.code[:at] if item.a == step.a and item.op in (op.CLOSURE, op.NEWTABLE)]
    if made[-1:] == [op.CLOSURE] and main.code[at - 1].op == op.CLOSURE:
        return "function"
    open_ended = any(item.op == op.SETTABLE for function in main.all() for item in function.code)
    return "table" if made[-1:] == [op.NEWTABLE] and not open_ended and _is_literal(main, at, step.a) else None


def _is_literal(main: Function, end: int, register: int) -> bool:
    """Whether nothing but setting fields happens to a table between its making and its return."""
    start = max(at for at, step in enumerate(main.code[:end]) if step.op == op.NEWTABLE and step.a == register)
    return all(step.op not in (op.CALL, op.TAILCALL) for step in main.code[start:end])


def _constant(function: Function, at: int) -> Constant:
    return function.constants[at] if at < len(function.constants) else None


def _path(function: Function, at: int) -> tuple[str, ...]:
    step = function.code[at]
    path: Sequence[str] = (str(_constant(function, step.c)),)
    after = function.code[at + 1] if at + 1 < len(function.code) else None
    if after is not None and after.op == op.GETFIELD and after.b == step.a:
        path = (*path, str(_constant(function, after.c)))
    return tuple(path)


def _argument(function: Function, at: int, callee: int) -> str | None:
    """The literal text that is loaded next, behind what is called."""
    step = function.code[at] if at < len(function.code) else None
    if step is None or step.op != op.LOADK or step.a != callee + 1:
        return None
    value = _constant(function, step.bx)
    return value if isinstance(value, str) else None
