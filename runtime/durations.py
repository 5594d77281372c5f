"""Durations as Evermoon's users write them: Go text (`"1h30m"`, `"500ms"`) or a number of milliseconds."""

from __future__ import annotations

from datetime import timedelta

import durationpy

from runtime.errors import invalid


def parse(value: object) -> timedelta:
    """Text in Go's form, or milliseconds, as a timedelta. Raises `Error` INVALID naming the value."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid(f'not a duration: {value!r} (write "30s", "1h30m" or a number of milliseconds)')
    try:
        if isinstance(value, str):
            parsed: timedelta = durationpy.from_str(value)
            return parsed
        return timedelta(milliseconds=value)
    except (durationpy.DurationError, OverflowError, ValueError) as error:
        # Where there is only text, as on a command line, a number cannot be written.
        how = '"30s" or "1h30m"' if isinstance(value, str) else '"30s", "1h30m" or a number of milliseconds'
        raise invalid(f"not a duration: {value!r} (write {how})") from error


def text(span: timedelta) -> str:
    """A duration in Go's form."""
    shown: str = durationpy.to_str(span)
    return shown
