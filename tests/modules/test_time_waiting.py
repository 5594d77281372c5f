"""What waits: sleep, after, timers and tickers, and which durable timers they cost."""

from __future__ import annotations

import pytest

from runtime.errors import Error
from runtime.lua import protocol
from tests.modules.time_script import START, call, lines, start

SECOND = 10**9


def test_sleep_is_one_timer() -> None:
    run = start("local ok, err = time.sleep('1.5s'); return {ok, err == nil, time.now():unix_nano()}")
    assert run.finish() == [True, True, START + 1_500_000_000]
    assert run.timers == [("timer", 1_500_000_000)]


def test_a_command_says_which_line_waits() -> None:
    run = start("\n\ntime.sleep(1)")
    assert run.commands[0].at == "script.lua:3"


@pytest.mark.parametrize("call_of", ["sleep", "after", "timer", "ticker"])
@pytest.mark.parametrize("duration", ["0", "-1", "'0s'", "'-5s'", "'soon'", "''", "0/0"])
def test_a_wait_that_is_not_positive_or_no_duration_is_invalid(call_of: str, duration: str) -> None:
    run = start(f"local v, err = time.{call_of}({duration}); return {{v == nil, err:kind(), err:retryable()}}")
    assert run.result == [True, "Invalid", False]
    assert run.timers == []


def test_after_delivers_one_time_then_closes() -> None:
    body = "local ch = time.after('2s'); local t, ok = ch:receive(); show(t, ok); show(ch:receive())"
    assert lines(body) == ["2023-11-14T22:13:22.123456789Z | true", "nil | false"]


def test_after_keeps_its_time_for_a_late_reader() -> None:
    body = "local ch = time.after('2s'); time.sleep('1m'); show((ch:receive())); show(ch:receive())"
    assert lines(body) == ["2023-11-14T22:13:22.123456789Z", "nil | false"]


def test_the_first_of_two_waits_wins_a_select() -> None:
    body = """
      local slow, fast = time.after("1s"), time.after("500ms")
      local r = channel.select{slow:case_receive(), fast:case_receive()}
      show(r.channel == fast, r.ok, r.value)
    """
    assert lines(body) == ["true | true | 2023-11-14T22:13:20.623456789Z"]


def test_a_timer_has_one_channel_and_fires_once() -> None:
    body = """
      local t = time.timer("1s")
      show(t:channel() == t:response(), t:channel() == t:channel(), type(t))
      show(t:channel():receive()) show(t:stop())
    """
    assert lines(body) == ["true | true | userdata", "2023-11-14T22:13:21.123456789Z | true", "false"]


def test_stopping_a_timer_cancels_it_durably() -> None:
    run = start("local t = time.timer('1s'); return {t:stop(), t:stop()}")
    assert run.result == [True, False]
    assert run.timers == [("timer", SECOND), ("cancel", None)]


def test_resetting_a_timer_cancels_it_and_starts_another() -> None:
    body = """
      local t = time.timer("1h")
      show(t:reset("1s")) show((t:channel():receive())) show(t:reset("2s")) show((t:channel():receive()))
      return out
    """
    run = start(body)
    assert run.finish() == ["true", "2023-11-14T22:13:21.123456789Z", "false", "2023-11-14T22:13:23.123456789Z"]
    assert run.timers == [("timer", 3600 * SECOND), ("cancel", None), ("timer", SECOND), ("timer", 2 * SECOND)]


def test_a_refused_reset_leaves_the_timer_as_it_is() -> None:
    run = start("local t = time.timer('1s'); show(t:reset(0)); show((t:channel():receive())); return out")
    assert run.finish() == [
        "nil | Timer:reset: the duration must be positive, got 0s",
        "2023-11-14T22:13:21.123456789Z",
    ]
    assert run.timers == [("timer", SECOND)]


def test_a_stopped_timer_wakes_nobody() -> None:
    with pytest.raises(Error, match="all coroutines are blocked"):
        call("local t = time.timer('1s'); t:stop(); t:channel():receive()")


def test_a_ticker_keeps_its_rhythm_when_a_tick_is_late() -> None:
    body = "local k = time.ticker('1s'); for i = 1, 3 do show((k:channel():receive()):format('05.000')) end; return out"
    run = start(body)
    run.fire(late=2_300_000_000)
    assert run.finish() == ["23.423", "24.123", "25.123"]
    assert run.timers == [("timer", SECOND), ("timer", 700_000_000), ("timer", SECOND), ("timer", SECOND)]


def test_a_stopped_ticker_gives_its_timer_back() -> None:
    run = start(
        "local k = time.ticker('1s'); k:channel():receive(); return {k:stop(), k:stop(), k:response() == k:channel()}"
    )
    assert run.finish() == [True, False, True]
    assert run.timers == [("timer", SECOND), ("timer", SECOND), ("cancel", None)]


def test_a_ticker_keeps_sixteen_unread_ticks() -> None:
    body = """
      local k = time.ticker("1s")
      time.sleep("40.5s")
      k:stop()
      local ticks = {}
      while true do
        local r = channel.select{k:channel():case_receive(), default = true}
        if r.default then return ticks end
        ticks[#ticks + 1] = r.value:unix()
      end
    """
    first = START // SECOND + 1
    assert call(body) == list(range(first, first + 16))


def test_cancellation_ends_waits_and_refuses_new_ones() -> None:
    body = """
      local ch = time.after("1h")
      local ok, err = time.sleep("2h")
      show(ok, err:kind())
      for _, name in ipairs{"sleep", "after", "timer", "ticker"} do
        local v, refusal = time[name]("1s")
        show(v, refusal:kind())
      end
      return out
    """
    run = start(body)
    run.step(protocol.cancel("enough"))
    assert run.result == ["nil | Canceled"] * 5
    assert run.timers == [("timer", 3600 * SECOND), ("timer", 7200 * SECOND), ("cancel", None), ("cancel", None)]
