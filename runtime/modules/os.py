"""The `os` module's only host part: date text in UTC, in the C locale's words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from runtime.errors import invalid
from runtime.modules.definition import WORKFLOW, ModuleDef

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]  # strftime's words depend on the process's locale
_NUMERIC = set("dHIjMSUwWyYCegGVumD") | set("FRT")


_COMPOSED = {
    "c": "%a %b %e %H:%M:%S %Y",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "D": "%m/%d/%y",
}
#: Bytes of a format. What one stands for is a dozen times as long.
MAX_FORMAT = 64 * 1024


def date(form: bytes, second: int) -> str:
    """`os.date`: text for a strftime format, or the eight numbers of ``*t``. Raises INVALID for a bad conversion or time."""
    if len(form) > MAX_FORMAT:
        raise invalid(f"the format is longer than {MAX_FORMAT} bytes")
    try:
        moment = _EPOCH + timedelta(seconds=second)
    except OverflowError as error:
        raise invalid("time result cannot be represented in this installation") from error
    text = form.decode("utf-8", "replace")
    if text.startswith("*t"):
        wday = moment.isoweekday() % 7 + 1
        numbers = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, wday)
        return " ".join(str(number) for number in (*numbers, moment.timetuple().tm_yday))

    known: dict[str, str] = {}

    def convert(match: re.Match[str]) -> str:
        verb = match[1]
        if verb not in known:
            known[verb] = (
                re.sub(r"%(.)", convert, _COMPOSED[verb]) if verb in _COMPOSED else _text(verb, moment, second)
            )
        return known[verb]

    return re.sub(r"%(.?)", convert, text, flags=re.DOTALL)


def _text(verb: str, moment: datetime, second: int) -> str:
    day, month = _DAYS[moment.isoweekday() % 7], _MONTHS[moment.month - 1]
    words = {
        "a": day[:3],
        "A": day,
        "b": month[:3],
        "h": month[:3],
        "B": month,
        "p": "AM" if moment.hour < 12 else "PM",
        "n": "\n",
        "t": "\t",
        "%": "%",
        "z": "+0000",
        "Z": "UTC",
        "s": str(second),
    }
    if verb in words:
        return words[verb]
    if verb not in _NUMERIC:
        raise invalid(f"invalid conversion specifier '%{verb}'")
    return moment.strftime(f"%{verb}")


MODULE = ModuleDef(
    name="os",
    classes=frozenset({WORKFLOW}),
    summary="time, date, clock and difftime, in UTC",
    functions={"os.date": date},
)
