"""MySQL's driver knows `%s` only; scripts write `?`, as for SQLite."""

from __future__ import annotations

import re

from runtime.errors import invalid

#: What a `?` inside of is text: quoted parts (doubled quotes and backslashes included) and comments.
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `[^`]*` | \#[^\n]* | --(?=\s|$)[^\n]* | /\*.*?\*/ | \?""",
    re.VERBOSE | re.DOTALL,
)


def to_format(sql: str, count: int) -> str:
    """`sql` with `%s` for each `?` and `%%` for each `%`. Raises `Error` INVALID unless there are `count` of them."""
    found = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal found
        if match[0] != "?":
            return match[0]
        found += 1
        return "%s"

    text = _TOKEN.sub(replaced, sql.replace("%", "%%"))
    if found != count:
        raise invalid(f"{found} placeholders, {count} parameters")
    return text
