"""How long Lua's compiler takes over a source, at most: it runs in C, where nothing can end it, and in places it is quadratic.

It looks for every name among the locals and upvalues of all functions around it, for every label among the others of its
function, and walks to the end of a list for each further `or`, `elseif` or `break`. No module: scripts reach it by `load` only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from runtime.errors import invalid
from runtime.modules.definition import PureFunction

#: What the compiler may look at for one source: about a second.
MAX_WEIGHT = 400_000_000
#: Bytes of a source.
MAX_SOURCE = 2 * 1024 * 1024
#: Of what a function may have.
_LOCALS, _UPVALUES = 200, 255
#: What a byte may weigh for nobody to look closer, which takes about as long as that.
_LIGHT = 128

_WORD = re.compile(rb"[A-Za-z_]\w*")
_JUMP = re.compile(rb"\b(?:and|or|elseif|break|goto)\b|::")
_TOKEN = re.compile(
    rb"--\[(?P<comment>=*)\[.*?(?:\](?P=comment)\]|\Z)|--[^\n\r]*|\[(?P<text>=*)\[.*?(?:\](?P=text)\]|\Z)"
    rb"|\"(?:\\z\s*|\\.|[^\"\\\n\r])*\"?|'(?:\\z\s*|\\.|[^'\\\n\r])*'?|\.?\d\w*"
    rb"|(?P<word>[A-Za-z_]\w*)|(?P<mark>::|[^\s\w])",
    re.DOTALL,
)
_JUMPS = frozenset({b"and", b"or", b"elseif", b"break", b"goto", b"::"})
_KEYWORDS = frozenset(
    b"and break do else elseif end false for function goto if in local nil not or repeat return then true until while".split()
)


def check(source: bytes, name: str) -> None:
    """Raises `Error` INVALID for a source that the compiler would take too long over."""
    if len(source) > MAX_SOURCE:
        raise invalid(f"{name} is longer than {MAX_SOURCE} bytes: divide it")
    if _most(source) > MAX_WEIGHT and _Reader().weigh(source) > MAX_WEIGHT:
        what = "it has too many names within reach of too many locals, or too many conditions, branches or labels in one function"
        raise invalid(f"{name} would take the compiler too long: {what}; divide it")


def weight(source: bytes) -> int:
    """What the compiler looks at, at most, and what it takes to know that. Above `MAX_WEIGHT` nobody should compile it."""
    if len(source) > MAX_SOURCE:
        return MAX_WEIGHT + 1
    most = _most(source)
    enough = _LIGHT * len(source)
    return most if most <= enough else enough + _Reader().weigh(source)


def _most(source: bytes) -> int:
    """An upper bound that is soon known: every word counts for a name, and every name for a local of all functions around it."""
    names, jumps, functions = len(_WORD.findall(source)), len(_JUMP.findall(source)), source.count(b"function")
    return names * (names + functions * min(_UPVALUES, names)) + jumps * jumps


class _Reader:
    """Follows the blocks and functions of a source, with what is in reach of a name in each."""

    def __init__(self) -> None:
        self._weight = 0
        self._reach = 0  # what a name is compared with
        self._locals = 0  # of all open functions, and of the innermost
        self._own = 0
        self._jumps = 0  # of the innermost function
        self._open: list[tuple[bytes, int, int, int, int]] = []
        self._declares = b""  # the word whose names are being declared

    def weigh(self, source: bytes) -> int:
        for token in _TOKEN.finditer(source):
            kind = token.lastgroup
            if kind == "word":
                self._word(token[0])
            elif kind == "mark" and (self._declares or token[0] == b"::"):
                self._mark(token[0])
            if self._weight > MAX_WEIGHT:
                break
        return self._weight

    def _word(self, word: bytes) -> None:
        if word not in _KEYWORDS:
            self._weight += self._reach + 1
            if self._declares in (b"local", b"for", b"("):
                self._declare()
            return
        self._declares = b""
        if word in _JUMPS:
            self._jump()
        if word in (b"end", b"else", b"elseif"):
            self._close()
        if word in (b"function", b"for", b"then", b"else") or (word == b"do" and not self._is_loop()):
            self._begin(word)
        if word in (b"local", b"for", b"function"):
            self._declares = word

    def _mark(self, mark: bytes) -> None:
        if mark == b"::":
            self._jump()
        if self._declares == b"function" and mark == b"(":
            self._declares = b"("
        elif mark not in b",<>.:" or (self._declares == b"local" and mark in b".:"):
            self._declares = b""

    def _jump(self) -> None:
        self._weight += self._jumps + len(self._open)
        self._jumps += 1

    def _declare(self) -> None:
        if self._own < _LOCALS:
            self._own += 1
            self._locals += 1
            self._reach += 1

    def _is_loop(self) -> bool:
        """Whether a `do` is that of the `for` before it."""
        if self._open and self._open[-1][0] == b"for":
            self._open[-1] = (b"do", *self._open[-1][1:])
            return True
        return False

    def _begin(self, word: bytes) -> None:
        self._open.append((word, self._reach, self._locals, self._own, self._jumps))
        if word == b"function":
            self._reach += min(_UPVALUES, self._locals + 1)
            self._own = self._jumps = 0

    def _close(self) -> None:
        if not self._open:
            return
        word, self._reach, self._locals, self._own, jumps = self._open.pop()
        if word == b"function":
            self._jumps = jumps


FUNCTIONS: Mapping[str, PureFunction] = {"source.weight": weight}
