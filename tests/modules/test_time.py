"""Instants, durations and locations of the `time` module."""

from __future__ import annotations

import importlib.resources
import re
import time as clock
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import durationpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.modules.time import module
from tests.docs.pages import ROOT, blocks, shown
from tests.modules.time_script import START, call, lines

_INT64 = st.integers(-(2**63), 2**63 - 1)


def _zone(name: str) -> ZoneInfo:
    """A zone of the package, whatever the machine has installed."""
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


# Durations


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        ("1h30m", 5_400_000_000_000),
        ("-1.5s", -1_500_000_000),
        ("+5m", 300_000_000_000),
        ("250us", 250_000),
        ("250\u00b5s", 250_000),
        ("250\u03bcs", 250_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("0", 0),
        ("-0", 0),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
        (1_500, 1_500),
        (1.9, 1),
        (-1.9, -1),
    ],
)
def test_durations_are_read_exactly(value: object, ns: int) -> None:
    assert call("return time.parse_duration(args[1]):nanoseconds()", value) == ns


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-",
        "1",
        "1.5",
        "s",
        ".s",
        "1x",
        "1h 2m",
        "--1s",
        "1.2.3s",
        "1e3s",
        "9223372036854775808ns",
        "3000000h",
        1e300,
    ],
)
def test_what_is_no_duration_is_invalid(value: object) -> None:
    body = "local d, err = time.parse_duration(args[1]); return {d == nil, err:kind(), err:retryable(), err:message()}"
    nothing, kind, retryable, message = call(body, value)
    assert (nothing, kind, retryable) == (True, "Invalid", False)
    assert message.startswith("not a duration")


def test_not_a_number_and_infinity_are_no_durations() -> None:
    body = "for _, n in ipairs{0/0, 1/0, -1/0} do show(select(2, time.parse_duration(n)):kind()) end"
    assert lines(body) == ["Invalid"] * 3


def test_the_text_of_a_refused_duration_stays_valid_and_short() -> None:
    body = "local _, err = time.parse_duration(args[1]:rep(1000)); return err:message()"
    assert len(call(body, "\u20ac")) < 300
    assert "?" in call("return select(2, time.parse_duration('\\xff')):message()")


@given(ns=_INT64)
@settings(max_examples=150, deadline=None)
def test_a_duration_written_is_read_back(ns: int) -> None:
    body = (
        "local d = time.parse_duration(args[1]); return {time.parse_duration(tostring(d)):nanoseconds(), tostring(d)}"
    )
    again, text = call(body, ns)
    assert again == ns
    if abs(ns) < 10**15:  # beyond, durationpy's own floats are not exact
        assert durationpy.from_str(text) == pytest.approx(
            timedelta(microseconds=ns / 1000), abs=timedelta(microseconds=2)
        )


def test_the_parts_of_a_duration() -> None:
    body = """
      local d = time.parse_duration("-1h30m0.0000015s")
      show(d:hours(), d:minutes(), d:milliseconds(), d:microseconds(), d:nanoseconds())
      show(math.type(time.parse_duration("1h"):seconds()), math.type(d:milliseconds()))
      show(time.parse_duration(d) == d, d, type(d))
    """
    assert lines(body) == [
        "-1.5000000004167 | -90.000000025 | -5400000 | -5400000001 | -5400000001500",
        "float | integer",
        "true | -1h30m0.0000015s | userdata",
    ]


def test_durations_compare_with_each_other_and_with_nanoseconds() -> None:
    body = """
      local a, b = time.parse_duration("1s"), time.parse_duration("1m")
      show(a < b, a <= b, a > b, a == b, a == time.parse_duration("1000ms"))
      show(a < 2 * time.SECOND, time.MINUTE <= b)
      show(pcall(function() return a < "1h" end))
    """
    assert lines(body) == [
        "true | true | false | false | true",
        "true | true",
        "false | script.lua:5: attempt to compare a Duration with a string",
    ]


# Instants


@pytest.fixture
def eastern_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own zone is that of New York."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
        clock.tzset()
        yield
    clock.tzset()


@pytest.mark.usefixtures("eastern_machine")
def test_the_machines_zone_counts_outside_workflows_only() -> None:
    body = """
      show(time.unix(1720000000), time.unix(1730000000), time.date(2024, 7, 1), time.unix(0):format("MST"))
      show(time.parse("2006-01-02 MST", "2024-07-01 EDT"), time.parse("2006-01-02 MST", "2024-07-01 EST"))
      show(time.parse(time.RFC3339, "2024-07-01T00:00:00-04:00"):location(), time.parse(time.DATE_ONLY, "2024-07-01"))
    """
    assert lines(body, execution="function") == [
        "2024-07-03T05:46:40-04:00 | 2024-10-26T23:33:20-04:00 | 2024-07-01T00:00:00-04:00 | EST",
        "2024-07-01T00:00:00-04:00 | 2024-07-01T01:00:00-04:00",
        "Local | 2024-07-01T00:00:00Z",
    ]
    assert lines(body, execution="workflow")[0] == (
        "2024-07-03T09:46:40Z | 2024-10-27T03:33:20Z | 2024-07-01T00:00:00Z | UTC"
    )


def test_now_is_the_time_of_the_step_in_utc() -> None:
    assert lines("show(time.now(), time.now():location() == time.utc, time.localtz == time.utc)") == [
        "2023-11-14T22:13:20.123456789Z | true | true"
    ]
    assert call("return time.now():unix_nano()") == START


def test_outside_a_workflow_local_is_this_machine() -> None:
    body = "local t = time.now(); return {t:location():string(), t:format('-07:00'), time.localtz:string()}"
    local = datetime.fromtimestamp(START // 10**9, UTC).astimezone().isoformat()[-6:]
    assert call(body, execution="function") == ["Local", local, "Local"]


def test_the_fields_of_a_time() -> None:
    body = """
      local t = time.date(2024, time.DECEMBER, 25, 10, 30, 45, 123, time.utc)
      show(t:date()) show(t:clock()) show(t:year(), t:month(), t:day(), t:hour(), t:minute(), t:second(), t:nanosecond())
      show(t:weekday() == time.WEDNESDAY, t:year_day(), t:unix(), t:unix_nano(), t:is_zero(), type(t))
    """
    assert lines(body) == [
        "2024 | 12 | 25",
        "10 | 30 | 45",
        "2024 | 12 | 25 | 10 | 30 | 45 | 123",
        "true | 360 | 1735122645 | 1735122645000000123 | false | userdata",
    ]


def test_dates_count_on_beyond_their_ranges() -> None:
    body = """
      show(time.date(2024, 14, 35)) show(time.date(2024, 3, 0)) show(time.date(2023, 0, 1, -1, 61, 61, -1))
      show(time.date(2024, 1, 31):add_date(0, 1, 0)) show(time.date(2024, 2, 29, 12):add_date(1, 0, -1))
      show(time.date(0, 1, 1), time.date(-5, 1, 1), time.date(12345, 1, 1))
    """
    assert lines(body) == [
        "2025-03-07T00:00:00Z",
        "2024-02-29T00:00:00Z",
        "2022-12-01T00:02:00.999999999Z",
        "2024-03-02T00:00:00Z",
        "2025-02-28T12:00:00Z",
        "0000-01-01T00:00:00Z | -0005-01-01T00:00:00Z | 12345-01-01T00:00:00Z",
    ]


def test_what_no_time_can_hold_is_invalid() -> None:
    body = """
      show(time.date(math.maxinteger, 1, 1)) show(time.date(1, 1, math.mininteger)) show(time.unix(math.maxinteger))
      show(select(2, time.date(3000, 1, 1):unix_nano()):kind(), select(2, time.date(1600, 1, 1):unix_nano()):kind())
      show(time.unix(0, math.maxinteger), time.unix(0, math.mininteger))
      show(time.unix(0, math.maxinteger):unix_nano() == math.maxinteger, time.unix(0, math.mininteger):unix_nano() == math.mininteger)
    """
    assert lines(body) == [
        "nil | time.date: the date is out of range",
        "nil | time.date: the date is out of range",
        "nil | time.unix: the second is out of range",
        "Invalid | Invalid",
        "2262-04-11T23:47:16.854775807Z | 1677-09-21T00:12:43.145224192Z",
        "true | true",
    ]


@given(a=_INT64, b=_INT64)
@settings(max_examples=100, deadline=None)
def test_times_add_subtract_and_compare_exactly(a: int, b: int) -> None:
    body = """
      local x, y = time.unix(0, args[1]), time.unix(0, args[2])
      local d = x:sub(y)
      return {d:nanoseconds(), y:add(d) == x, x:before(y), x:after(y), x:equal(y), x < y, x <= y, x == y}
    """
    difference = max(-(2**63), min(2**63 - 1, a - b))
    expected = [difference, difference == a - b, a < b, a > b, a == b, a < b, a <= b, a == b]
    assert call(body, a, b) == expected


@given(ns=_INT64, step=st.integers(1, 2**63 - 1) | st.sampled_from([1, 10**9, 3600 * 10**9, 7 * 86400 * 10**9, 2**62]))
@settings(max_examples=150, deadline=None)
def test_rounding_counts_from_the_year_one(ns: int, step: int) -> None:
    body = "local t = time.unix(0, args[1]); return {t:sub(t:truncate(args[2])):nanoseconds(), t:round(args[2]):sub(t):nanoseconds()}"
    past = (ns + 62_135_596_800 * 10**9) % step
    assert call(body, ns, step) == [past, step - past if past >= step - past else -past]


def test_rounding_to_nothing_changes_nothing() -> None:
    assert lines("local t = time.now(); show(t:round(0) == t, t:truncate(-1) == t, t:round('x'))")[0].startswith(
        "true | true | nil"
    )


def test_a_zero_time() -> None:
    body = "show(time.date(1, 1, 1, 0, 0, 0, 0, time.utc):is_zero(), time.unix(0):is_zero())"
    assert lines(body) == ["true | false"]


def test_a_time_and_a_duration_in_a_payload_are_text() -> None:
    body = "return {at = time.now(), took = time.parse_duration('90s'), where = time.utc}"
    assert call(body) == {"at": "2023-11-14T22:13:20.123456789Z", "took": "1m30s", "where": "UTC"}


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        ("time.sleep()", "bad argument #1 to 'time.sleep' (duration expected"),
        ("time.now():add({})", "bad argument #1 to 'Time:add' (duration expected"),
        ("time.now():sub(5)", "bad argument #1 to 'Time:sub' (Time expected, got number)"),
        ("time.now().add('1s')", "bad self of 'add' (Time expected, got string"),
        ("time.date(2024, 1)", "bad argument #3 to 'time.date' (integer expected, got no value)"),
        ("time.date(2024, 1, 1.5)", "bad argument #3 to 'time.date' (number has no integer representation)"),
        ("time.date(2024, 1, 1, 0, 0, 0, 0, 'UTC')", "bad argument #8 to 'time.date' (Location expected, got string)"),
        ("time.unix('1')", "bad argument #1 to 'time.unix' (integer expected, got string)"),
        ("time.parse(1, '2')", "bad argument #1 to 'time.parse' (string expected, got number)"),
        ("time.load_location(1)", "bad argument #1 to 'time.load_location' (string expected, got number)"),
        ("time.now():in_location('UTC')", "bad argument #1 to 'Time:in_location' (Location expected, got string)"),
        ("local _ = time.now() < 5", "attempt to compare a Time with a number"),
        ("time.now().year = 5", "a Time cannot be changed"),
    ],
)
def test_a_wrong_type_raises_at_the_callers_line(misuse: str, message: str) -> None:
    [text] = lines(f"show(select(2, pcall(function()\n{misuse}\nend)))")
    assert text.startswith(f"script.lua:2: {message}")


# Locations


def test_locations() -> None:
    body = """
      local ny = time.load_location("America/New_York")
      show(ny, ny:string(), time.load_location("America/New_York") == ny, type(ny))
      show(time.load_location("UTC") == time.utc, time.load_location("Local") == time.localtz)
      local est = time.fixed_zone("EST", -18000)
      show(time.unix(0):in_location(est):format(time.RFC1123), time.unix(0):in_location(est):location() == est)
      show(time.unix(0):in_location(ny):utc(), time.unix(0):in_location(ny):in_local())
    """
    assert lines(body) == [
        "America/New_York | America/New_York | true | userdata",
        "true | true",
        "Wed, 31 Dec 1969 19:00:00 EST | true",
        "1970-01-01T00:00:00Z | 1970-01-01T00:00:00Z",
    ]


def test_locations_that_do_not_exist() -> None:
    body = """
      for _, name in ipairs{"", "Nowhere/City", "../../etc/passwd", "america/new_york", "zones", "\\xff"} do
        local loc, err = time.load_location(name)
        show(loc, err:kind(), err:retryable())
      end
      show(select(2, time.fixed_zone("", 0)):kind(), select(2, time.fixed_zone("X", 86400)):kind())
    """
    assert lines(body) == ["nil | Invalid | false"] + ["nil | NotFound | false"] * 5 + ["Invalid | Invalid"]


def test_a_clock_time_that_summer_time_skips_or_repeats() -> None:
    body = """
      local ny, berlin = time.load_location("America/New_York"), time.load_location("Europe/Berlin")
      show(time.date(2024, 3, 10, 2, 30, 0, 0, ny), time.date(2024, 11, 3, 1, 30, 0, 0, ny))
      show(time.date(2024, 3, 31, 2, 30, 0, 0, berlin), time.date(2024, 10, 27, 2, 30, 0, 0, berlin))
    """
    assert lines(body) == [
        "2024-03-10T01:30:00-05:00 | 2024-11-03T01:30:00-04:00",
        "2024-03-31T03:30:00+02:00 | 2024-10-27T02:30:00+01:00",
    ]


def test_an_abbreviation_is_read_in_the_location_given() -> None:
    body = """
      local ny, dublin = time.load_location("America/New_York"), time.load_location("Europe/Dublin")
      local layout = "2006-01-02 15:04 MST"
      show(time.parse(layout, "2024-06-01 12:00 EDT", ny), time.parse(layout, "2024-06-01 12:00 EST", ny))
      show(time.parse(layout, "1969-07-01 12:00 IST", dublin), time.parse(layout, "2024-06-01 12:00 JST", ny))
      show(time.parse(layout, "2024-06-01 12:00 X+1", time.utc))
      show(time.parse(layout, "2024-06-01 12:00 EST", time.fixed_zone("EST", -18000)))
      show(time.parse("2006-01-02 15:04", "2024-06-01 12:00", ny))
      show(time.parse(time.RFC3339, "2024-06-01T12:00:00-04:00", ny):location() == ny)
      show(time.parse(time.RFC3339, "2024-06-01T12:00:00-05:00", ny):location())
    """
    assert lines(body) == [
        "2024-06-01T12:00:00-04:00 | 2024-06-01T13:00:00-04:00",
        "1969-07-01T12:00:00+01:00 | 2024-06-01T12:00:00Z",
        'nil | parsing time "2024-06-01 12:00 X+1" as "2006-01-02 15:04 MST": cannot parse "X+1" as "MST"',
        "2024-06-01T12:00:00-05:00",
        "2024-06-01T12:00:00-04:00",
        "true",
        "",
    ]


_ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca"]
)


@given(name=_ZONES, second=st.integers(-(2**34), 2**36))
@settings(max_examples=100, deadline=None)
def test_zones_agree_with_zoneinfo(name: str, second: int) -> None:
    body = """
      local zone = time.load_location(args[1])
      local t = time.unix(args[2]):in_location(zone)
      local again = time.date(t:year(), t:month(), t:day(), t:hour(), t:minute(), t:second(), 0, zone)
      return {t:format("2006-01-02T15:04:05-07:00:00 MST"), again:format("2006-01-02T15:04:05"), again:unix()}
    """
    text, again, unix = call(body, name, second)
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(_zone(name))
    shown = moment.strftime("%Y-%m-%dT%H:%M:%S")
    offset = moment.isoformat()[19:]
    assert text == f"{shown}{offset if len(offset) == 9 else offset + ':00'} {moment.tzname()}"
    assert again == shown
    assert unix in (moment.replace(fold=0).timestamp(), moment.replace(fold=1).timestamp())


@pytest.mark.parametrize("second", [2**52, -(2**52), 253402300800, -62135596801])
def test_zones_answer_for_years_that_python_has_no_dates_for(second: int) -> None:
    offset, abbreviation = module.at(b"Europe/Berlin", second)
    assert (offset, abbreviation) in [(3600, "CET"), (7200, "CEST"), (3208, "LMT")]


def test_every_zone_of_the_package_can_be_loaded() -> None:
    names = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    for name in names:
        assert module.check(name.encode())
        offset, abbreviation = module.at(name.encode(), 0)
        assert module.offset_of(name.encode(), abbreviation.encode(), offset) == offset
    assert len(names) > 500


def test_constants() -> None:
    body = """
      show(time.NANOSECOND, time.MICROSECOND, time.MILLISECOND, time.SECOND, time.MINUTE, time.HOUR)
      show(time.JANUARY, time.MAY, time.DECEMBER, time.SUNDAY, time.SATURDAY)
      show(pcall(function() time.HOUR = 1 end))
    """
    units, names, written = lines(body)
    assert units == "1 | 1000 | 1000000 | 1000000000 | 60000000000 | 3600000000000"
    assert names == "1 | 5 | 12 | 0 | 6"
    assert written.startswith("false | script.lua:4: library 'time' is read-only")


_PAGE = ROOT / "docs" / "modules" / "time.md"
_SNIPPETS = [block.text for block in blocks("docs/modules/time.md") if block.language == "lua"]


@pytest.mark.parametrize("snippet", _SNIPPETS)
def test_what_the_page_shows_is_so(snippet: str) -> None:
    body = "local print = function(...) show(...) end\n" + snippet
    expected = [line.replace("\t", " | ") for line in shown(snippet)]
    assert lines(body) == expected


def test_everything_a_script_finds_is_on_the_page() -> None:
    body = "local found = {}; for name in pairs(time) do found[#found + 1] = name end; return found"
    page = _PAGE.read_text(encoding="utf-8")
    series = {"FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER"}
    series |= {"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"}
    assert [name for name in call(body) if not re.search(rf"\b{name}\b", page) and name not in series] == []
