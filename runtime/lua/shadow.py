"""Shadow execution: every step runs in two interpreters, and both must answer with the same bytes.

Two interpreters differ in all that Lua leaves open: the seed of their string hashes, where their tables lie, how their heap is
cut up. What a script makes of such a thing differs between them sooner or later, here instead of in a replay months from now.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import Error, invalid
from runtime.lua import protocol
from runtime.lua.interpreter import LuaMemoryError
from runtime.lua.program import Program
from runtime.lua.session import Questions, Session
from runtime.payload import Payload

_log = logging.getLogger(__name__)

#: Limits that two interpreters may reach at different points: a clock, the allocator, comparisons made while sorting keys.
_INEXACT = ("time", "memory", "instructions")
#: What a message shows of a batch, around the place where the two part.
_SHOWN = 1500
_BEFORE = 500


class ShadowDiffers(Exception):
    """The error of two interpreters that answered differently. It is no error of the script, so it fails the workflow task and never the run."""


@dataclass(slots=True)
class _Asked:
    """A question of the step under way, and what the host answered."""

    name: str
    args: tuple[Any, ...]
    value: Any = None
    error: Exception | None = None


class ShadowSession(Session):
    """A `Session` that runs everything twice and raises `ShadowDiffers` where the answers are not the same bytes.

    The host is asked once; the second interpreter gets the answers the first one got. A step that either ended for time,
    memory or instructions is not compared, since those are no measure of the script, and what follows runs without a shadow.
    The two share the time of one.
    """

    def __init__(
        self,
        program: Program,
        boot: Mapping[str, Any],
        *,
        version: Callable[[str, int, int], int] | None = None,
        questions: Questions | None = None,
        spent: Callable[[], float] | None = None,
    ) -> None:
        asked = dict(questions or {})
        if version is not None:
            asked["workflow.version"] = version
        self._questions_asked: list[_Asked] = []
        self._heard = 0
        self._astray: str | None = None
        self._shadow: Session | None = None
        super().__init__(
            program, boot, questions={name: self._ask_host(name, ask) for name, ask in asked.items()}, spent=spent
        )
        again = {name: self._hear(name) for name in asked}
        try:
            self._shadow = Session(program, boot, questions=again, spent=spent, padded=True)
        except Error as error:
            self._go_on_alone(str(error))

    def memory_used(self) -> int:
        return super().memory_used() + (self._shadow.memory_used() if self._shadow is not None else 0)

    def close(self) -> None:
        super().close()
        self._end_shadow()

    def _stepped(self, events: Sequence[protocol.Event], clock: protocol.Clock) -> protocol.Answer:
        return self._twice("step", lambda session: Session._stepped(session, events, clock))

    def _asked(self, kind: str, name: str, args: Sequence[Payload]) -> protocol.Answer:
        return self._twice(kind, lambda session: Session._asked(session, kind, name, args))

    def _twice(self, what: str, call: Callable[[Session], protocol.Answer]) -> protocol.Answer:
        self._questions_asked, self._heard, self._astray = [], 0, None
        begun = time.thread_time()
        try:
            answer = call(self)
        except BaseException:
            self._end_shadow()  # what the first one did not get through the second must not be ahead of
            raise
        if self._shadow is not None:
            self._compare(answer, self._shadow, what, call, time.thread_time() - begun)
        return answer

    def _compare(
        self,
        answer: protocol.Answer,
        shadow: Session,
        what: str,
        call: Callable[[Session], protocol.Answer],
        spent: float,
    ) -> None:
        shadow.limit_time(max(self.seconds * self.patience - spent, 0.0))
        shadow._clock = self._clock
        try:
            other = call(shadow)
        except LuaMemoryError:
            self._go_on_alone("it ran out of memory")
            return
        if self._astray is None and self._heard < len(self._questions_asked):
            self._astray = f"only one of the two asked {_question(self._questions_asked[self._heard])}"
        if answer == other and self._astray is None:
            return
        first, second = self._kernel.read(answer), self._kernel.read(other)
        limit = first.spent or second.spent
        if limit in _INEXACT:
            self._go_on_alone(f"the {limit} limit ended a step")
            return
        raise ShadowDiffers(_told(self._program.entry, what, first, second, self._astray))

    def _go_on_alone(self, why: str) -> None:
        _log.warning("%s goes on without shadow execution: %s", self._program.entry, why)
        self._end_shadow()

    def _end_shadow(self) -> None:
        if self._shadow is not None:
            self._shadow.close()
            self._shadow = None

    # Questions ----------------------------------------------------------------------------------------------------------

    def _ask_host(self, name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asking(*args: Any) -> Any:
            question = _Asked(name, args)
            self._questions_asked.append(question)
            try:
                question.value = ask(*args)
            except Exception as error:
                question.error = error
                raise
            return question.value

        return asking

    def _hear(self, name: str) -> Callable[..., Any]:
        def hearing(*args: Any) -> Any:
            known = self._questions_asked[self._heard] if self._heard < len(self._questions_asked) else None
            self._heard += 1
            if known is None or (known.name, known.args) != (name, args):
                self._astray = self._astray or _asked_differently(known, _Asked(name, args))
                raise invalid(self._astray)
            if known.error is not None:
                raise known.error
            return known.value

        return hearing


# Telling ------------------------------------------------------------------------------------------------------------------


def _question(asked: _Asked) -> str:
    return f"{asked.name}({', '.join(map(str, asked.args))})"


def _asked_differently(known: _Asked | None, asked: _Asked) -> str:
    first = _question(known) if known is not None else "nothing"
    return f"one asked {first}, the other {_question(asked)}"


def _told(entry: str, what: str, first: protocol.Batch, second: protocol.Batch, astray: str | None) -> str:
    begin = _parting(first.frame, second.frame)
    return "\n".join(
        [
            f"shadow execution differs: a {what} of {entry} came out differently in two interpreters{_where(first, second)}",
            *([astray] if astray is not None else []),
            "look for what Lua leaves open: # (or table.insert, remove, unpack, concat) on a table with holes; "
            "see evermoon docs determinism",
            f"one answered   {_around(first.frame, begin)}",
            f"the other      {_around(second.frame, begin)}",
        ]
    )


def _where(first: protocol.Batch, second: protocol.Batch) -> str:
    """The first command that is not the same in both, by its line."""
    for number in range(max(len(first.commands), len(second.commands))):
        one, other = _command(first, number), _command(second, number)
        if one != other:
            there = [_named(command) for command in (one, other) if command is not None]
            return ", first in " + " against ".join(dict.fromkeys(there))
    if first.state != second.state:
        return f': one is "{first.state}", the other "{second.state}"'
    return f': both are "{first.state}", with another value' if first.frame != second.frame else ""


def _command(batch: protocol.Batch, number: int) -> protocol.Command | None:
    return batch.commands[number] if number < len(batch.commands) else None


def _named(command: protocol.Command) -> str:
    return f"the command {json.dumps(command.op)} of {command.at or 'no line'}"


def _parting(first: bytes, second: bytes) -> int:
    """The first byte that differs."""
    return next((at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), 0)


def _around(frame: bytes, at: int) -> str:
    start = max(0, at - _BEFORE) if len(frame) > _SHOWN else 0
    text = frame[start : start + _SHOWN].decode("utf-8", "replace").rstrip("\n")
    return ("…" if start else "") + text + ("…" if start + _SHOWN < len(frame) else "")
