"""`temporal.schedule` entries as they are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from runtime.registry import Problem, Registry, RegistryError, TemporalSchedule
from runtime.registry.kinds.schedule import Calendar, Range
from runtime.temporal.schedules.checks import schedule_checks
from tests.definitions import with_worker
from tests.registry.support import Files

HEAD = with_worker("""
  - {name: report, kind: workflow.lua, source: "file://r.lua", input_schema: {type: object, required: [day]}}
  - {name: bare, kind: workflow.lua, source: "file://r.lua"}
""")
SCRIPTS = {"r.lua": "return {}"}


def load(files: Files, *lines: str, environ: dict[str, str] | None = None) -> Registry:
    text = HEAD + "".join(
        f"  - {{name: s{number}, kind: temporal.schedule, {line}}}\n" for number, line in enumerate(lines)
    )
    path = files.write({"registry.yaml": text, **SCRIPTS})
    return Registry.load(path, environ=environ or {}, checks=[schedule_checks])


def problems(files: Files, *lines: str) -> Sequence[Problem]:
    with pytest.raises(RegistryError) as raised:
        load(files, *lines)
    return raised.value.problems


def test_a_schedule_with_everything(files: Files) -> None:
    registry = load(
        files,
        "worker: worker, workflow: report, input: {day: today}, cron: '0 6 * * mon-fri', interval: 90m, "
        "calendars: [{hour: '8-18/2', minute: [0, '30'], day_of_week: 'mon-fri,sun'}], time_zone: Europe/Oslo, "
        "overlap: buffer_all, catchup_window: 1h, paused: true",
    )
    [entry] = registry.of_kind(TemporalSchedule)
    assert (entry.worker, entry.workflow, entry.cron) == ("app:worker", "app:report", ("0 6 * * mon-fri",))
    assert (entry.interval, entry.catchup_window) == (timedelta(minutes=90), timedelta(hours=1))
    [calendar] = entry.calendars
    assert calendar.hour == (Range(8, 18, 2),)
    assert calendar.minute == (Range(0, 0), Range(30, 30))
    assert calendar.day_of_week == (Range(1, 5), Range(0, 0))
    assert calendar.second == (Range(0, 0),)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("*", Range(0, 59)),
        ("*/15", Range(0, 59, 15)),
        ("5/10", Range(5, 59, 10)),
        (7, Range(7, 7)),
        ("1-3", Range(1, 3)),
    ],
)
def test_fields_of_calendars_are_read_as_in_cron(text: str | int, ranges: Range) -> None:
    assert Calendar.model_validate({"minute": text}).minute == (ranges,)


@pytest.mark.parametrize("wrong", ["60", -1, "5-3", "*/0", "x", "", True, None, 1.5, ["1", "2-"], "1-"])
def test_what_is_no_number_of_a_calendar_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="minute"):
        Calendar.model_validate({"minute": wrong})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("workflow: bare", "needs cron, interval or calendars"),
        ("workflow: bare, cron: '61 * * * *'", "'61' is no minute"),
        ("workflow: bare, cron: '* * *'", "has 3 fields"),
        ("workflow: bare, interval: 10ms", "interval"),
        ("workflow: bare, interval: 1h, time_zone: Mars/Base", "unknown time zone"),
        ("workflow: bare, cron: 'CRON_TZ=UTC 0 0 * * *', time_zone: UTC", "either time_zone or"),
        ("workflow: bare, interval: 1h, overlap: sometimes", "overlap"),
        ("workflow: bare, interval: 1h, catchup_window: 1s", "catchup_window"),
        ("workflow: bare, calendars: [{hour: 24}]", "no number or range from 0 to 23"),
        ("workflow: bear, interval: 1h", 'did you mean "app:bare"?'),
        ("workflow: worker, interval: 1h", "is a temporal.worker, not a workflow.lua"),
        ("worker: bare, workflow: bare, interval: 1h", "is a workflow.lua, not a temporal.worker"),
        ("workflow: report, interval: 1h", "input is not what app:report takes"),
        ("workflow: report, interval: 1h, input: {month: may}", "input is not what app:report takes"),
        ("workflow: report, interval: 1h, input: [3]", "input is not what app:report takes"),
        ("interval: 1h", "workflow"),
    ],
)
def test_mistakes_are_told_at_load(files: Files, line: str, said: str) -> None:
    [problem] = problems(files, line)
    assert problem.entry_id == "app:s0"
    assert said in str(problem)
    assert "evermoon docs kinds/temporal.schedule" in str(problem)


def test_a_worker_is_needed_where_there_are_several(files: Files) -> None:
    other = HEAD + "  - {name: second, kind: temporal.worker, client: temporal, task_queue: p}\n"
    text = other + "  - {name: s, kind: temporal.schedule, workflow: bare, interval: 1h}\n"
    path = files.write({"registry.yaml": text, **SCRIPTS})
    with pytest.raises(RegistryError, match="neither the schedule nor app:bare names a worker"):
        Registry.load(path, environ={}, checks=[schedule_checks])


def test_what_placeholders_stand_for_is_left_for_the_start(files: Files) -> None:
    line = "workflow: report, cron: '${env:CRON}', paused: '${env:PAUSED|true}', input: {month: '${env:MONTH}'}"
    registry = load(files, line, environ={"CRON": "0 0 * * *", "MONTH": "may"})
    [entry] = registry.of_kind(TemporalSchedule)
    resolved = registry.resolve(entry)
    assert (resolved.cron, resolved.paused, resolved.input) == (("0 0 * * *",), True, {"month": "may"})
