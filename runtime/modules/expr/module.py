"""The `expr` module. Expressions are Lua; the regular expressions in them are RE2's, which takes time that grows with the text only."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from runtime.late import late
from runtime.modules.definition import DETERMINISTIC, ModuleDef

if TYPE_CHECKING:
    import re2
else:
    re2 = late("re2")

_MEMORY = 1024 * 1024  # bytes, of a compiled expression with what matching remembers of it
_LARGEST = 50_000  # instructions; about what fits into as much memory
_TOO_LARGE = "pattern too large"


def pattern(expression: bytes) -> tuple[int, str | None]:
    """How many instructions RE2 has for a regular expression, each of which may look at each byte of a text; and what is wrong with it."""
    try:
        return _compiled(expression).programsize, None
    except re2.error as error:
        # Only what kind of fault it is: how RE2 quotes the place is another matter in each version, and a replay may have another.
        reason = error.args[0].decode().partition(":")[0]
        return (_LARGEST, "it is too large") if reason.startswith(_TOO_LARGE) else (0, reason)


def matches(expression: bytes, text: bytes) -> bool:
    """Whether a regular expression that `pattern` found right is found anywhere in a text."""
    return _compiled(expression).search(_characters(text)) is not None


@lru_cache(maxsize=128)
def _compiled(expression: bytes) -> Any:
    return re2.compile(_characters(expression), options=_options())


@cache
def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = True  # nobody asks for groups, and finding their places takes long
    return options


def _characters(text: bytes) -> bytes:
    """UTF-8. Of what is not, each byte is a character, as everywhere in expressions."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text


MODULE = ModuleDef(
    name="expr",
    classes=frozenset({DETERMINISTIC}),
    summary="expressions over given values",
    functions={"expr.pattern": pattern, "expr.matches": matches},
)
