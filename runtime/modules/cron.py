"""Cron schedules as the Temporal server reads them: five fields, `@hourly` and its like, `@every 10m`, `CRON_TZ=` before any."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from runtime import durations
from runtime.errors import Error, invalid

_NAMED = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_ITEM = re.compile(r"(?:[*?]|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?")

#: name, lowest, highest, words for numbers
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


def check(schedule: str) -> str:
    """The schedule as given. Raises `Error` INVALID saying which part is wrong."""
    text = _without_zone(schedule.strip())
    if text in _NAMED:
        return schedule
    if text.startswith("@every "):
        _check_interval(text.removeprefix("@every ").strip())
        return schedule
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise invalid(f"cron schedule {schedule!r} has {len(fields)} fields, not 5")
    for field, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for item in field.split(","):
            if not _is_item(item.lower(), low, high, words):
                raise invalid(f"cron schedule {schedule!r}: {item!r} is no {name}")
    return schedule


def _without_zone(text: str) -> str:
    match = re.match(r"(?:CRON_TZ|TZ)=(\S+)\s+", text)
    if match is None:
        return text
    try:
        ZoneInfo(match[1])
    except (ValueError, OSError, LookupError) as error:
        raise invalid(f"cron schedule: unknown time zone {match[1]!r}") from error
    return text[match.end() :]


def _check_interval(text: str) -> None:
    try:
        seconds = durations.parse(text).total_seconds()
    except Error as error:
        raise invalid(f"cron schedule: {error.message}") from error
    if seconds < 1:
        raise invalid(f"cron schedule: @every {text} is shorter than a second")


def _is_item(item: str, low: int, high: int, words: dict[str, int]) -> bool:
    match = _ITEM.fullmatch(item)
    if match is None or match["step"] == "0":
        return False
    if match["low"] is None:
        return True
    ends = [_number(match[end], words) for end in ("low", "high") if match[end] is not None]
    return all(end is not None and low <= end <= high for end in ends) and ends == sorted(ends, key=lambda n: n or 0)


def _number(text: str, words: dict[str, int]) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else words.get(text)
