"""The `time` module's only host part: what a zone's clock shows at an instant.

Zone data comes from the `tzdata` package and never from the machine, so two workers with the same packages agree. The
exception is the zone "Local", which is this machine's own; the Lua half does not offer it inside a workflow.
Everything else of the module (calendar, layouts, timers) is Lua, see `time*.lua`.
"""

from __future__ import annotations

import importlib.resources
import struct
import time
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import IO
from zoneinfo import ZoneInfo

from runtime.errors import not_found
from runtime.modules.definition import WORKFLOW, ModuleDef

LOCAL = "Local"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = int(datetime(2, 1, 1, tzinfo=UTC).timestamp())
_LAST = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp())
_CYCLE = 146_097 * 86_400  # the Gregorian calendar repeats after 400 years, weekdays included


@cache
def _names() -> frozenset[str]:
    text = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(text.split())


def _open(name: str) -> IO[bytes]:
    if name not in _names():  # also what keeps "../" out of the path
        raise not_found("time zone", name[:64], zone=name[:64])
    return importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb")


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    with _open(name) as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=1024)
def _periods(name: str) -> tuple[tuple[int, str], ...]:
    """Each (offset, abbreviation) the zone ever used, in the order of its file, which `ZoneInfo` does not tell."""
    with _open(name) as file:
        data = file.read()
    _, start = _header(data, 0)
    counts, start = _header(data, start)  # the second block has 64-bit times
    _, _, _, times, types, characters = counts
    start += times * 9
    abbreviations = data[start + types * 6 : start + types * 6 + characters]
    found = []
    for index in range(types):
        offset, _, position = struct.unpack_from(">lbB", data, start + index * 6)
        found.append((offset, abbreviations[position : abbreviations.index(b"\0", position)].decode("ascii")))
    return tuple(dict.fromkeys(found))


def _header(data: bytes, start: int) -> tuple[tuple[int, ...], int]:
    """The six counts of a TZif block (RFC 8536) and where it ends, or for the last block, where its times begin."""
    counts = struct.unpack_from(">6l", data, start + 20)
    if start:
        return counts, start + 44
    utc_flags, standard_flags, leaps, times, types, characters = counts
    return counts, 44 + times * 5 + types * 6 + characters + leaps * 8 + standard_flags + utc_flags


def check(name: bytes) -> bool:
    """True for a zone of the database; raises NOT_FOUND for another name."""
    _open(name.decode("utf-8", "replace")).close()
    return True


def at(name: bytes, second: int) -> tuple[int, str]:
    """Offset in seconds east of UTC, and abbreviation, that hold in the zone at a Unix second of any size."""
    if name == LOCAL.encode():
        return _local_at(_in_range(second))
    moment = (_EPOCH + timedelta(seconds=_in_range(second))).astimezone(_zone(name.decode("utf-8", "replace")))
    offset = moment.utcoffset() or timedelta(0)
    return offset.days * 86_400 + offset.seconds, moment.tzname() or ""


def _in_range(second: int) -> int:
    """A second of the same day, month and kind of year within the years that `datetime` knows."""
    if second > _LAST:
        return second - ((second - _LAST) // _CYCLE + 1) * _CYCLE
    return max(second, _FIRST)


def _local_at(second: int) -> tuple[int, str]:
    local = time.localtime(second)
    return local.tm_gmtoff, local.tm_zone


def offset_of(name: bytes, abbreviation: bytes, clock: int) -> int | None:
    """The offset that `abbreviation` stands for in the zone, or None when the zone never used it.

    `clock` is what the zone's clock shows, as if it were UTC: of several offsets with that abbreviation, the one in
    force then is preferred.
    """
    wanted = abbreviation.decode("utf-8", "replace")
    offsets = [offset for offset, used in _abbreviations(name) if used == wanted]
    for offset in offsets:
        if at(name, clock - offset) == (offset, wanted):
            return offset
    return offsets[0] if offsets else None


def _abbreviations(name: bytes) -> tuple[tuple[int, str], ...]:
    if name == LOCAL.encode():
        return ((-time.timezone, time.tzname[0]), (-time.altzone, time.tzname[1]))
    return _periods(name.decode("utf-8", "replace"))


MODULE = ModuleDef(
    name="time",
    classes=frozenset({WORKFLOW}),
    summary="Instants, durations, time zones, Go layouts, timers and tickers.",
    functions={"time.zone_check": check, "time.zone_at": at, "time.zone_offset": offset_of},
)
