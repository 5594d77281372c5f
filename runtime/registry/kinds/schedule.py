"""Schedules by which Temporal starts runs by the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from runtime.registry.models import Entry, Model, Reference
from runtime.registry.units import Duration, Opaque

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]+))?")
_FIELD = {"type": ["integer", "string", "array"], "items": {"type": ["integer", "string"]}}


@dataclass(frozen=True, slots=True)
class Range:
    """A range of numbers: every `step`-th from `start` to `end`, both included."""

    start: int
    end: int
    step: int = 1


class _Field:
    """The reader of a field of a calendar: a number, text in cron's form (``*/15``, ``mon-fri``, ``1,15``), or a list of these."""

    def __init__(self, low: int, high: int, words: tuple[str, ...] = (), first: int = 0) -> None:
        self._low, self._high = low, high
        self._words = {word: number for number, word in enumerate(words, first)}

    def __call__(self, value: object) -> tuple[Range, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(self._range(text) for item in items for text in self._texts(item))

    def _texts(self, item: object) -> list[str]:
        if isinstance(item, int | str) and not isinstance(item, bool):
            return [text.strip().lower() for text in str(item).split(",")]
        raise self._wrong(item)

    def _range(self, text: str) -> Range:
        match = _ITEM.fullmatch(text)
        if match is None:
            raise self._wrong(text)
        step = int(match["step"] or 1)
        low = self._low if match["low"] is None else self._number(match["low"])
        # As in cron, a step without an end goes on to the last number.
        last = low if match["low"] is not None and match["step"] is None else self._high
        high = last if match["high"] is None else self._number(match["high"])
        if step < 1 or not self._low <= low <= high <= self._high:
            raise self._wrong(text)
        return Range(low, high, step)

    def _number(self, text: str) -> int:
        if text in self._words:
            return self._words[text]
        if not text.isascii() or not text.isdigit():
            raise self._wrong(text)
        return int(text)

    def _wrong(self, item: object) -> PydanticCustomError:
        return PydanticCustomError(
            "calendar",
            "{item} is no number or range from {low} to {high}",
            {"item": repr(item)[:80], "low": self._low, "high": self._high},
        )


def _numbers(field: _Field) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(field), WithJsonSchema(_FIELD)


_Ranges = tuple[InstanceOf[Range], ...]
Second = Annotated[_Ranges, *_numbers(_Field(0, 59))]
Minute = Annotated[_Ranges, *_numbers(_Field(0, 59))]
Hour = Annotated[_Ranges, *_numbers(_Field(0, 23))]
DayOfMonth = Annotated[_Ranges, *_numbers(_Field(1, 31))]
Month = Annotated[_Ranges, *_numbers(_Field(1, 12, _MONTHS, 1))]
Year = Annotated[_Ranges, *_numbers(_Field(1970, 2262))]
DayOfWeek = Annotated[_Ranges, *_numbers(_Field(0, 6, _DAYS))]


class Calendar(Model):
    """A calendar: the moments that match every field."""

    second: Second = (Range(0, 0),)
    minute: Minute = (Range(0, 0),)
    hour: Hour = (Range(0, 0),)
    day_of_month: DayOfMonth = (Range(1, 31),)
    month: Month = (Range(1, 12),)
    year: Year = ()
    day_of_week: DayOfWeek = (Range(0, 6),)
    comment: str | None = None


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise PydanticCustomError("time_zone", "unknown time zone {name}", {"name": repr(name)[:80]}) from None
    return name


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class TemporalSchedule(Entry):
    """A schedule that starts runs of a workflow by the clock, also while no host runs.

    `input` is the argument of each run; a list has one argument in each place.
    """

    KIND = "temporal.schedule"
    REFERENCES: ClassVar[tuple[Reference, ...]] = (
        Reference(("worker",), ("temporal.worker",)),
        Reference(("workflow",), ("workflow.lua", "temporal.workflow")),
    )

    kind: Literal["temporal.schedule"]
    worker: str | None = None
    workflow: str
    input: Opaque = None
    cron: Annotated[tuple[str, ...], BeforeValidator(_listed), WithJsonSchema({"type": ["string", "array"]})] = ()
    interval: Duration | None = Field(default=None, ge=timedelta(seconds=1))
    calendars: tuple[Calendar, ...] = ()
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = None
    overlap: Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"] = "skip"
    catchup_window: Duration | None = Field(default=None, ge=timedelta(seconds=10))
    paused: bool = False

    @model_validator(mode="after")
    def _triggered(self) -> TemporalSchedule:
        if not self.cron and self.interval is None and not self.calendars:
            raise PydanticCustomError("schedule", "needs cron, interval or calendars")
        if self.time_zone and any("TZ=" in text for text in self.cron):
            raise PydanticCustomError("schedule", "takes either time_zone or a time zone in cron")
        return self
