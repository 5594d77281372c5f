"""What paths say: patterns and when two of them cannot be told apart. Data alone, so that a registry is checked without a server's libraries."""

from __future__ import annotations

import re

from runtime.errors import invalid

#: Where the API of runs begins.
API = "/api/v1"
#: The file that stands for its directory.
INDEX = "index.html"

Pattern = list[tuple[int, str]]
Shape = tuple[object, ...]

LITERAL, ONE, REST = range(3)
_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>\.\.\.)?\}")


def compiled(owner: str, path: str) -> Pattern:
    """The segments of a path, each its kind and its text or name. Raises `Error` INVALID, naming `owner`, for a path that is none."""
    if not path.startswith("/"):
        raise invalid(f"{owner}: path {path!r} must begin with /")
    pattern: Pattern = []
    for segment in path[1:].split("/"):
        found = _PARAMETER.fullmatch(segment)
        if found is None and ("{" in segment or "}" in segment):
            raise invalid(f"{owner}: {segment!r} in path {path!r} is not {{name}} or {{name...}}")
        if pattern and pattern[-1][0] == REST:
            raise invalid(f"{owner}: {{{pattern[-1][1]}...}} must be the last part of path {path!r}")
        if found is None:
            pattern.append((LITERAL, segment))
        else:
            pattern.append((REST if found["rest"] else ONE, found["name"]))
    return pattern


def shape(method: str, path: str) -> Shape:
    """Equal for two routes that cannot be told apart. Raises `Error` INVALID for a path that is none."""
    return shape_of(method, compiled(path, path))


def shape_of(method: str, pattern: Pattern) -> Shape:
    return (method, *((kind, text if kind == LITERAL else "") for kind, text in pattern))


def join(prefix: str, path: str) -> str:
    """A router's prefix before an endpoint's path; the prefix `/` adds nothing."""
    return "/" + "/".join(part for part in (prefix.strip("/"), path.removeprefix("/")) if part)
