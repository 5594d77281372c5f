"""Go reference layouts, written and read. Expected texts are those of Go's own documentation and standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules.time_script import call, lines

# The moment 2009-02-04 21:00:57.0123456 PST that the tests of Go's package are written with.
_GO_MOMENT = 'time.date(2009, 2, 4, 21, 0, 57, 12345600, time.fixed_zone("PST", -8 * 3600))'


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("Mon Jan _2 15:04:05 2006", "Wed Feb  4 21:00:57 2009"),
        ("Mon Jan _2 15:04:05 MST 2006", "Wed Feb  4 21:00:57 PST 2009"),
        ("Mon Jan 02 15:04:05 -0700 2006", "Wed Feb 04 21:00:57 -0800 2009"),
        ("02 Jan 06 15:04 MST", "04 Feb 09 21:00 PST"),
        ("Monday, 02-Jan-06 15:04:05 MST", "Wednesday, 04-Feb-09 21:00:57 PST"),
        ("2006-01-02T15:04:05Z07:00", "2009-02-04T21:00:57-08:00"),
        ("2006-01-02T15:04:05.999999999Z07:00", "2009-02-04T21:00:57.0123456-08:00"),
        ("3:04PM", "9:00PM"),
        ("3pm", "9pm"),
        ("03:04:05.000", "09:00:57.012"),
        ("Jan _2 15:04:05.000000000", "Feb  4 21:00:57.012345600"),
        ("15:04:05,999", "21:00:57,012"),
        ("January Monday 002 __2 1 4 5", "February Wednesday 035  35 2 0 57"),
        ("January 02 2006", "February 04 2009"),
        ("Month Sunday Januaryish", "Month Sunday Februaryish"),
        ("_2006", "_2009"),
        ("-07 -070000 -07:00:00 Z07 Z0700 Z070000", "-08 -080000 -08:00:00 -08 -0800 -080000"),
        (".00 .0000000000 .990", ".01 .012345600 .990"),
        ("YYYY", "YYYY"),
        ("", ""),
    ],
)
def test_a_moment_is_written_as_go_writes_it(layout: str, text: str) -> None:
    assert call(f"return {_GO_MOMENT}:format(args[1])", layout) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RFC3339", "2009-02-04T21:00:57-08:00"),
        ("RFC3339NANO", "2009-02-04T21:00:57.0123456-08:00"),
        ("RFC822", "04 Feb 09 21:00 PST"),
        ("RFC822Z", "04 Feb 09 21:00 -0800"),
        ("RFC850", "Wednesday, 04-Feb-09 21:00:57 PST"),
        ("RFC1123", "Wed, 04 Feb 2009 21:00:57 PST"),
        ("RFC1123Z", "Wed, 04 Feb 2009 21:00:57 -0800"),
        ("KITCHEN", "9:00PM"),
        ("STAMP", "Feb  4 21:00:57"),
        ("STAMP_MILLI", "Feb  4 21:00:57.012"),
        ("STAMP_MICRO", "Feb  4 21:00:57.012345"),
        ("STAMP_NANO", "Feb  4 21:00:57.012345600"),
        ("DATE_TIME", "2009-02-04 21:00:57"),
        ("DATE_ONLY", "2009-02-04"),
        ("TIME_ONLY", "21:00:57"),
    ],
)
def test_the_layouts_that_have_names(name: str, text: str) -> None:
    assert call(f"return {_GO_MOMENT}:format(time[args[1]])", name) == text


def test_utc_is_z_only_where_the_layout_says_so() -> None:
    body = "return time.unix(0):utc():format('Z07:00 Z07 -07:00 -0700 MST')"
    assert call(body) == "Z Z +00:00 +0000 UTC"


def test_midnight_and_noon_are_twelve_on_a_clock_of_twelve_hours() -> None:
    body = "for h = 0, 23 do show(time.date(2024, 1, 1, h):format('3PM 03pm')) end"
    clock = [12, *range(1, 12)]
    expected = [f"{h}AM {h:02}am" for h in clock] + [f"{h}PM {h:02}pm" for h in clock]
    assert lines(body) == expected


@pytest.mark.parametrize(
    ("layout", "text", "read"),
    [
        ("2006-01-02T15:04:05Z07:00", "2024-02-29T23:59:59.5Z", "2024-02-29T23:59:59.5Z"),
        ("2006-01-02T15:04:05Z07:00", "2024-02-29T23:59:59,25+05:30", "2024-02-29T23:59:59.25+05:30"),
        ("Mon Jan _2 15:04:05 2006", "wed fEB  4 21:00:57 2009", "2009-02-04T21:00:57Z"),
        ("Mon Jan _2 15:04:05 2006", "Fri Feb 14 21:00:57 2009", "2009-02-14T21:00:57Z"),
        ("January 2, 2006", "May 5, 2024", "2024-05-05T00:00:00Z"),
        ("2006-01-02 15:04:05", "2024-01-02   03:04:05", "2024-01-02T03:04:05Z"),
        ("3:04PM", "12:05AM", "0000-01-01T00:05:00Z"),
        ("3:04pm", "12:05pm", "0000-01-01T12:05:00Z"),
        ("06", "68", "2068-01-01T00:00:00Z"),
        ("06", "69", "1969-01-01T00:00:00Z"),
        ("2006-002", "2024-366", "2024-12-31T00:00:00Z"),
        ("2006 __2", "2023  60", "2023-03-01T00:00:00Z"),
        ("2006-01-02 002", "2024-02-29 060", "2024-02-29T00:00:00Z"),
        ("15:04:05.000", "01:02:03.004", "0000-01-01T01:02:03.004Z"),
        ("15:04:05.999", "01:02:03", "0000-01-01T01:02:03Z"),
        ("15:04:05.999", "01:02:03.0123456789", "0000-01-01T01:02:03.012345678Z"),
        ("15:04 -070000", "01:02 +013045", "0000-01-01T01:02:00+01:30"),
        ("2006-01-02 MST", "2024-06-01 EDT", "2024-06-01T00:00:00Z"),
        ("2006-01-02 MST", "2024-06-01 GMT+3", "2024-06-01T00:00:00+03:00"),
        ("2006-01-02 MST", "2024-06-01 +03", "2024-06-01T00:00:00Z"),
        ("2006-01-02 MST", "2024-06-01 WITA", "2024-06-01T00:00:00Z"),
    ],
)
def test_text_is_read_as_go_reads_it(layout: str, text: str, read: str) -> None:
    assert call("return time.parse(args[1], args[2])", layout, text) == read


@pytest.mark.parametrize(
    ("layout", "text", "message"),
    [
        ("2006-01-02", "2024-13-01", 'parsing time "2024-13-01": month out of range'),
        ("2006-01-02", "2023-02-29", 'parsing time "2023-02-29": day out of range'),
        ("2006-01-02", "2024-00-01", 'parsing time "2024-00-01": month out of range'),
        ("15:04:05", "24:00:00", 'parsing time "24:00:00": hour out of range'),
        ("15:04:05", "10:60:00", 'parsing time "10:60:00": minute out of range'),
        ("15:04:05", "10:00:60", 'parsing time "10:00:60": second out of range'),
        ("2006-002", "2023-366", 'parsing time "2023-366": day-of-year out of range'),
        ("2006-01 002", "2023-01 040", 'parsing time "2023-01 040": day-of-year does not match month'),
        ("2006-02 002", "2023-02 040", 'parsing time "2023-02 040": day-of-year does not match day'),
        ("Z07:00", "+25:00", 'parsing time "+25:00": time zone offset out of range'),
        ("2006", "2024x", 'parsing time "2024x": extra text: "x"'),
        ("2006-01-02", "2024/01/02", 'parsing time "2024/01/02" as "2006-01-02": cannot parse "/01/02" as "-"'),
        ("Jan", "Foo", 'parsing time "Foo" as "Jan": cannot parse "Foo" as "Jan"'),
        ("MST", "Abc", 'parsing time "Abc" as "MST": cannot parse "Abc" as "MST"'),
        (".000", ".12", 'parsing time ".12" as ".000": cannot parse ".12" as ".000"'),
        ("2006", "", 'parsing time "" as "2006": cannot parse "" as "2006"'),
        ("", "", "time.parse: the layout is empty"),
    ],
)
def test_text_that_does_not_fit_is_invalid_and_says_where(layout: str, text: str, message: str) -> None:
    body = "local t, err = time.parse(args[1], args[2]); return {t == nil, err:kind(), err:retryable(), err:message()}"
    assert call(body, layout, text) == [True, "Invalid", False, message]


def test_a_layout_of_another_language_is_explained() -> None:
    body = "local _, err = time.parse('YYYY-MM-DD', '2024-01-02'); return err:message()"
    assert "2006-01-02 15:04:05" in call(body)


@given(text=st.text(max_size=300), layout=st.text(alphabet="Jan 2Mo0123456789_-:.,ZPMpmST", max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_layout_and_no_text_makes_the_reader_raise(layout: str, text: str) -> None:
    body = "local t, err = time.parse(args[1], args[2]); return t ~= nil or err:kind() == 'Invalid'"
    assert call(body, layout, text) is True


_moments = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59, 999999))
_offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moment=_moments, zone=_offsets)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(moment: datetime, zone: timezone) -> None:
    body = """
      local t = time.parse(time.RFC3339NANO, args[1])
      for _, layout in ipairs{time.RFC3339NANO, "Mon Jan _2 2006 3:04:05.999999999PM -0700", "06 2006-002 Monday,15h4m5.000000000 Z07"} do
        if args[2] or not layout:find("Z07$") then
          assert(time.parse(layout, t:format(layout)) == t, layout)
        end
      end
      return t
    """
    offset = zone.utcoffset(None)
    assert offset is not None
    written = moment.replace(tzinfo=zone).isoformat()
    whole_hours = offset.total_seconds() % 3600 == 0
    assert datetime.fromisoformat(call(body, written, whole_hours)) == moment.replace(tzinfo=zone)


@given(moment=_moments)
@settings(max_examples=100, deadline=None)
def test_the_calendar_agrees_with_pythons(moment: datetime) -> None:
    body = "local t = time.parse(time.RFC3339, args[1]); return {t:unix(), t:weekday(), t:year_day(), t:date()}"
    aware = moment.replace(tzinfo=UTC, microsecond=0)
    expected = [int(aware.timestamp()), aware.isoweekday() % 7, aware.timetuple().tm_yday]
    assert call(body, aware.isoformat()) == [*expected, aware.year, aware.month, aware.day]
