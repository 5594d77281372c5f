"""Matches of a regular expression in a whole text, for the kernel: what Lua's matcher could take too long for (kernel/linear.lua).

No module: scripts reach it through their string functions only.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from runtime.errors import invalid
from runtime.late import late
from runtime.modules.definition import PureFunction

if TYPE_CHECKING:
    import re2
else:
    re2 = late("re2")

#: Bytes for each compiled expression and what matching remembers of it: RE2's module keeps the last 128 of them.
_MEMORY = 1024 * 1024


@cache
def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def _compiled(expression: bytes) -> Any:
    try:
        return re2.compile(expression, options=_options())
    except re2.error:  # too large for its memory
        raise invalid("no expression") from None


def matches(text: bytes, expression: bytes, start: int, last: int, limit: int, anchored: bool) -> bytes:
    """The places of up to `limit` matches from `start` on: of each, begin and end of the whole and of every group, as int32.

    As Lua has it, no match is empty where the one before it ended, which is `last` for the first.
    """
    compiled = _compiled(expression)
    groups = range(1, compiled.groups + 1)
    places: list[int] = []
    for found in _found(compiled, text, start, anchored):
        begin, end = found.span()
        if begin == end == last:
            continue
        last = end
        places += (begin, end)
        for group in groups:
            places += found.span(group)
        limit -= 1
        if limit == 0:
            break
    return struct.pack(f"<{len(places)}i", *places)


def _found(compiled: Any, text: bytes, start: int, anchored: bool) -> Iterable[Any]:
    if not anchored:
        found: Iterable[Any] = compiled.finditer(text, start)
        return found
    first = compiled.match(text, start)
    return [first] if first else []


FUNCTIONS: Mapping[str, PureFunction] = {"pattern.matches": matches}
