"""What a script's calls call, as far as its bytecode says: a function of a module or of Lua's own, or a method by its name.

Followed are fields, locals that are given one value and keep it, upvalues of such locals, and `require` of a literal name. What is
computed, or handed around, is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runtime.lua import opcodes as op
from runtime.lua.analysis import Function, Instruction, Local

#: A name of the environment and the fields looked up behind it: ``("funcs", "call")``.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceCall:
    """A call. `path`: what is called, where that is one of the environment's; `name`: the method, field or variable it is called by.

    `wanted`: how many of its results the script takes, None for as many as there are. `on_own`: it is a method of what a
    variable holds, rather than of a field.
    """

    function: Function
    at: int
    path: Path | None
    name: str | None
    is_method: bool
    on_own: bool
    wanted: int | None

    @property
    def is_tail(self) -> bool:
        return self.function.code[self.at].op == op.TAILCALL

    @property
    def is_returned(self) -> bool:
        """Whether all of its results are those of the function around it."""
        code = self.function.code
        step, after = code[self.at], code[self.at + 1]
        return self.wanted is None and after.op == op.RETURN and not after.b and after.a == step.a

    @property
    def line(self) -> int:
        return self.function.code[self.at].line


def calls_of(main: Function) -> Iterator[SourceCall]:
    """Every call of a script, function by function."""
    assigned = {
        function.upvalues[step.b] for function in main.all() for step in function.code if step.op == op.SETUPVAL
    }
    environment = [() if name == "_ENV" else None for name in main.upvalues]
    yield from _Scope(main, environment, assigned).calls()


def fields_set(main: Function) -> set[str]:
    """The names under which a script puts something into tables: methods of its own among them."""
    return {
        str(function.constants[step.b]) for function in main.all() for step in function.code if step.op == op.SETFIELD
    }


class _Scope:
    """One function, and what its upvalues hold: a path, ``()`` for the environment."""

    def __init__(self, function: Function, captured: Sequence[Path | None], assigned: set[str]) -> None:
        self._function = function
        self._captured = captured
        self._assigned = assigned

    def calls(self) -> Iterator[SourceCall]:
        for at, step in enumerate(self._function.code):
            if step.op in (op.CALL, op.TAILCALL):
                yield self._call(at, step)
            elif step.op == op.CLOSURE:
                inner = self._function.inner[step.bx]
                held = [self._held(at + 1, place, own=own) for own, place in inner.captured]
                yield from _Scope(inner, held, self._assigned).calls()

    def _call(self, at: int, step: Instruction) -> SourceCall:
        made = self._made(at, step.a)
        found = self._function.code[made] if made is not None else None
        wanted = None if step.op == op.TAILCALL or not step.c else step.c - 1
        is_method = found is not None and found.op == op.SELF
        on_own = is_method and found is not None and self._is_variable(made or 0, found.b)
        return SourceCall(self._function, at, self._path(at, step.a), self._name(at, step.a), is_method, on_own, wanted)

    def _held(self, at: int, place: int, *, own: bool) -> Path | None:
        return self._path(at, place) if own else self._captured[place]

    def _local(self, at: int, register: int) -> Local | None:
        return next(
            (item for item in self._function.locals if item.register == register and item.start <= at < item.end), None
        )

    def _is_variable(self, at: int, register: int) -> bool:
        if self._local(at, register) is not None:
            return True
        made = self._made(at, register)
        return made is not None and self._function.code[made].op == op.GETUPVAL

    def _made(self, at: int, register: int) -> int | None:
        """Which instruction put there what a register holds; None where that is not certain."""
        local = self._local(at, register)
        code = self._function.code
        if local is not None:
            if local.name in self._assigned or any(_sets(step, register) for step in code[local.start : local.end]):
                return None
            at = local.start
            if at == 0 or code[at - 1].op in op.LOOPS:
                return None
        return next((before for before in range(at - 1, -1, -1) if _sets(code[before], register)), None)

    def _path(self, at: int, register: int) -> Path | None:
        made = self._made(at, register)
        if made is None:
            return None
        step = self._function.code[made]
        if step.op == op.MOVE:
            return self._path(made, step.b)
        if step.op == op.GETUPVAL:
            return self._captured[step.b]
        if step.op == op.GETTABUP:
            return self._field(self._captured[step.b], step)
        if step.op in (op.GETFIELD, op.SELF):
            found = self._path(made, step.b)
            return self._field(found, step) if found else None
        if step.op == op.CALL and step.a == register and self._path(made, step.a) == ("require",):
            return self._required(made, step)
        return None

    def _field(self, path: Path | None, step: Instruction) -> Path | None:
        return None if path is None else (*path, str(self._function.constants[step.c]))

    def _required(self, made: int, call: Instruction) -> Path | None:
        before = self._function.code[made - 1]
        name = self._function.constants[before.bx] if before.op == op.LOADK and before.a == call.a + 1 else None
        return (name,) if isinstance(name, str) else None

    def _name(self, at: int, register: int) -> str | None:
        """As Lua itself says what is called there."""
        code = self._function.code
        local = self._local(at, register)
        if local is not None:
            return local.name
        made = next((before for before in range(at - 1, -1, -1) if _sets(code[before], register)), None)
        if made is None:
            return None
        step = code[made]
        if step.op == op.MOVE:
            return self._name(made, step.b)
        if step.op == op.GETUPVAL:
            return self._function.upvalues[step.b]
        if step.op in (op.GETTABUP, op.GETFIELD, op.SELF):
            return str(self._function.constants[step.c])
        return None


def _sets(step: Instruction, register: int) -> bool:
    if step.op in (op.CALL, op.TAILCALL, op.VARARG):
        return register >= step.a
    if step.op == op.LOADNIL:
        return step.a <= register <= step.a + step.b
    if step.op == op.SELF:
        return step.a <= register <= step.a + 1
    return step.a == register and step.op not in op.NO_TARGET
