"""Reading the bytecode of Lua 5.4 that we compiled: what a script names, at which lines. Nothing is run.

A compiler has resolved which names are locals and which are globals, so this knows more than the text shows. The form is that
of `string.dump`, debug information included.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_LOADK, _GETTABUP, _GETFIELD, _SETTABUP, _SETTABLE, _NEWTABLE, _SELF = 3, 11, 14, 15, 16, 19, 20
_POWK, _POW, _CALL, _TAILCALL, _RETURN, _RETURN1, _CLOSURE = 26, 38, 68, 69, 70, 72, 79
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


@dataclass(slots=True)
class Function:
    code: list[Instruction] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    upvalues: list[str] = field(default_factory=list)
    inner: list[Function] = field(default_factory=list)

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
        words = struct.unpack(f"<{(count := self.size())}I", self.take(4 * count))
        found = Function()
        found.constants = [self.constant() for _ in range(self.size())]
        self.take(3 * self.size())
        found.inner = [self.function() for _ in range(self.size())]
        steps = struct.unpack(f"<{(count := self.size())}b", self.take(count))
        absolute = {self.size(): self.size() for _ in range(self.size())}
        for _ in range(self.size()):
            self.text(), self.size(), self.size()
        found.upvalues = [self.text() for _ in range(self.size())]
        for at, (word, step) in enumerate(zip(words, steps, strict=True)):
            line = absolute[at] if step == -128 else line + step
            found.code.append(_instruction(word, line))
        return found


def _instruction(word: int, line: int) -> Instruction:
    return Instruction(word & 0x7F, word >> 7 & 0xFF, word >> 16 & 0xFF, word >> 24 & 0xFF, word >> 15, line)


def read(code: bytes) -> Function:
    """The main function of a chunk."""
    return _DumpReader(code).function()


def _is_global(function: Function, at: int) -> bool:
    return at < len(function.upvalues) and function.upvalues[at] == "_ENV"


def reads(main: Function) -> Iterator[Named]:
    """Every global that is read, with the fields that are looked up in it at once."""
    for function in main.all():
        for at, step in enumerate(function.code):
            if step.op == _GETTABUP and _is_global(function, step.b):
                yield Named(_path(function, at), step.line, _argument(function, at + 1, step.a))


def writes(main: Function) -> set[str]:
    """The globals that are set."""
    return {
        str(function.constants[step.b])
        for function in main.all()
        for step in function.code
        if step.op == _SETTABUP and _is_global(function, step.a)
    }


def calls(main: Function) -> Iterator[Named]:
    """Every field or method that is looked up and called with a literal text first: `x.name("text")`, `x:name("text")`."""
    for function in main.all():
        for at, step in enumerate(function.code):
            if step.op in (_GETFIELD, _SELF) or (step.op == _GETTABUP and not _is_global(function, step.b)):
                register = step.a + (1 if step.op == _SELF else 0)
                text = _argument(function, at + 1, register)
                if text is not None:
                    yield Named((str(_constant(function, step.c)),), step.line, text)


def powers(main: Function) -> Iterator[int]:
    """Lines of `^`; a square is computed by multiplication."""
    for function in main.all():
        for step in function.code:
            if step.op == _POW or (step.op == _POWK and _constant(function, step.c) != 2):
                yield step.line


def texts(main: Function) -> set[str]:
    """Every name and literal text."""
    return {constant for function in main.all() for constant in function.constants if isinstance(constant, str)}


def returns(main: Function) -> str | None:
    """What the chunk returns: "nothing", "function", or "table" made of literal keys; None when that is not to be seen."""
    values = [
        (at, step) for at, step in enumerate(main.code) if step.op == _RETURN1 or (step.op == _RETURN and step.b != 1)
    ]
    if not values:
        tail = any(step.op == _TAILCALL for step in main.code)
        return None if tail else "nothing"
    if len(values) > 1:
        return None
    at, step = values[0]
    made = [item.op for item in main.code[:at] if item.a == step.a and item.op in (_CLOSURE, _NEWTABLE)]
    if made[-1:] == [_CLOSURE] and main.code[at - 1].op == _CLOSURE:
        return "function"
    open_ended = any(item.op == _SETTABLE for function in main.all() for item in function.code)
    return "table" if made[-1:] == [_NEWTABLE] and not open_ended and _is_literal(main, at, step.a) else None


def _is_literal(main: Function, end: int, register: int) -> bool:
    """Whether nothing but setting fields happens to a table between its making and its return."""
    start = max(at for at, step in enumerate(main.code[:end]) if step.op == _NEWTABLE and step.a == register)
    return all(step.op not in (_CALL, _TAILCALL) for step in main.code[start:end])


def _constant(function: Function, at: int) -> Constant:
    return function.constants[at] if at < len(function.constants) else None


def _path(function: Function, at: int) -> tuple[str, ...]:
    step = function.code[at]
    path: Sequence[str] = (str(_constant(function, step.c)),)
    after = function.code[at + 1] if at + 1 < len(function.code) else None
    if after is not None and after.op == _GETFIELD and after.b == step.a:
        path = (*path, str(_constant(function, after.c)))
    return tuple(path)


def _argument(function: Function, at: int, callee: int) -> str | None:
    """The literal text that is loaded next, behind what is called."""
    step = function.code[at] if at < len(function.code) else None
    if step is None or step.op != _LOADK or step.a != callee + 1:
        return None
    value = _constant(function, step.bx)
    return value if isinstance(value, str) else None
