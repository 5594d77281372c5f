"""Files of `NAME=value` lines, as python-dotenv reads them. `${...}` in a value is left as it stands.

python-dotenv writes such files as well, but by way of the system's directory for temporary files, from where a rename is
not atomic, and without escaping backslashes.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from runtime.errors import invalid

MAX_BYTES = 1024**2


def read(path: Path) -> dict[str, str]:
    """No variables when there is no such file. Raises OSError, and `Error` INVALID for what is no text, or too much."""
    return {binding.key: binding.value or "" for binding in _bindings(path) if binding.key is not None}


def write(path: Path, name: str, value: str, *, create: bool, mode: int) -> None:
    """Sets one variable; every other line stays. Raises as `read`, and FileNotFoundError for one that is not to be made."""
    path = path.resolve()  # a link stays one
    if not create and not path.exists():
        raise FileNotFoundError(str(path))
    bindings = _bindings(path)
    lines = [binding.original.string for binding in bindings]
    places = [place for place, binding in enumerate(bindings) if binding.key == name]
    line = f"{name}={_quoted(value)}\n"
    if places:
        lines[places[-1]] = line
    else:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append(line)
    text = "".join(lines).encode()
    if len(text) > MAX_BYTES:
        raise invalid(f"a file of variables holds at most {MAX_BYTES} bytes")
    _replace(path, text, path.stat().st_mode & 0o7777 if path.exists() else mode)


def _bindings(path: Path) -> list[Binding]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return []
    if len(data) > MAX_BYTES:
        raise invalid(f"a file of variables holds at most {MAX_BYTES} bytes")
    try:
        return list(parse_stream(io.StringIO(data.decode())))
    except UnicodeDecodeError:
        raise invalid("a file of variables is UTF-8 text") from None


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Whoever reads meanwhile finds the old file or the new one; a crash leaves one of them."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
