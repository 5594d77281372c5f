"""text: regular expressions in RE2's syntax, which match in time proportional to the text, and the splitting of long texts."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from runtime.errors import invalid
from runtime.late import late
from runtime.modules.definition import DETERMINISTIC, ModuleDef

if TYPE_CHECKING:
    import re2
else:
    re2 = late("re2")

#: Bytes for each compiled expression and what matching remembers of it.
_MEMORY = 1024 * 1024
_MAX_PATTERN = 10_000


@cache
def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def _compiled(pattern: bytes) -> Any:
    if len(pattern) > _MAX_PATTERN:
        raise invalid(f"a regular expression has at most {_MAX_PATTERN} bytes")
    try:
        return re2.compile(pattern, options=_options())
    except re2.error as error:
        said = error.args[0] if error.args else "no regular expression"
        raise invalid(f"regular expression: {said.decode() if isinstance(said, bytes) else said}") from None


def compile_pattern(pattern: bytes) -> tuple[int, bytes]:
    """How many groups it has, and their names, one a line, empty for one without. Raises `Error` INVALID, saying what is wrong."""
    compiled = _compiled(pattern)
    names = {place: name for name, place in compiled.groupindex.items()}
    return compiled.groups, "\n".join(_text(names.get(place, "")) for place in range(1, compiled.groups + 1)).encode()


def find(pattern: bytes, text: bytes, limit: int) -> bytes:
    """The places of up to `limit` matches: of each, begin and end of the whole and of every group, as int32; -1 for a group without.

    No match is empty where the one before it ended. Raises `Error` INVALID for what is not UTF-8.
    """
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"the text is not UTF-8 at byte {error.start + 1}") from None
    compiled = _compiled(pattern)
    places = [place for found in _matches(compiled, text, limit) for place in _places(found, compiled.groups)]
    return struct.pack(f"<{len(places)}i", *places)


def _matches(compiled: Any, text: bytes, limit: int) -> Iterable[Any]:
    last = -1
    for found in compiled.finditer(text):
        begin, end = found.span()
        within = begin == end < len(text) and text[begin] & 0xC0 == 0x80  # of the bytes of one character
        if within or begin == end == last:
            continue
        yield found
        limit -= 1
        last = end
        if limit <= 0:
            return


def _places(found: Any, groups: int) -> Iterable[int]:
    for group in range(groups + 1):
        yield from found.span(group)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


MODULE = ModuleDef(
    name="text",
    classes=frozenset({DETERMINISTIC}),
    summary="regular expressions, and long texts in pieces",
    functions={"text.compile": compile_pattern, "text.find": find},
)
