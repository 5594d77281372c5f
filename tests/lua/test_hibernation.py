"""Runs that sleep between their steps: what they answer is what they would have answered awake, or a loud fault."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import Error, invalid
from runtime.lua import eventlog, hibernation, protocol
from runtime.lua.hibernation import HibernatingSession, HibernationCounts, HibernationPool, WokenDiffers
from runtime.lua.protocol import Batch, Clock, Event
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import program_from_source
from tests.lua.holes import BORDERS
from tests.support import main

pytestmark = pytest.mark.usefixtures("new_interpreters")

BOOT = {"class": "workflow", "pid": "{w|r}", "seed": 7, "ctx": {"tenant": "acme"}, "info": {"workflow_id": "r"}}
MODULES = ("funcs", "time", "workflow", "json", "logger", "uuid", "ctx")
START = protocol.start([Payload.of({"n": 1})])

#: Answers each message with what a script could see of its interpreter.
TELLS = main("""
  local n = 0
  workflow.query('n', function() return n end)
  workflow.update('add', function(by) n = n + by return n end, function(by) if by < 0 then return nil, 'no' end end)
  while true do
    local message = process.inbox():receive()
    n = n + 1
    logger:info(message:topic(), { n = n, at = time.now():unix_nano(), random = math.random(), text = tostring({}), id = uuid.v4() })
    if message:topic() == 'end' then return n end
  end
""")

EVERYTHING = main("""
  local log, seen = {}, { a = 1, b = 2, c = 3 }
  local jobs, done = channel.new(2), channel.new()
  workflow.query('log', function(n) return { #log, n } end)
  workflow.update('add', function(by)
    table.insert(log, by)
    time.sleep('1s')
    return #log
  end, function(by) if type(by) ~= 'number' then return nil, errors.new('Invalid', 'a number') end end)
  local function tell(what, more)
    table.insert(log, what)
    logger:info(what, { more = tostring(more), table = tostring({}), random = math.random(1000), id = uuid.v4() })
  end
  coroutine.spawn(function()
    while true do
      local job, open = jobs:receive()
      if not open then break end
      local value, problem = funcs.call('app:work', job)
      tell('worked', problem and problem:kind() or json.encode(value))
    end
    done:send(true)
  end)
  local ticks = time.ticker('30s')
  local topics = process.listen('job')
  local version = workflow.version('change', 1, 3)
  for i = 1, 12 do
    local got = channel.select({ topics:case_receive(), ticks:channel():case_receive(), process.inbox():case_receive() })
    tell('got ' .. i, got.value)
    if got.channel == topics then jobs:send({ i = i, version = version }) end
    local key = next(seen)
    if key then seen[key] = nil end
    local ok, problem = pcall(function() if i % 3 == 0 then error({ code = i }) end local x = nil; return x.y end)
    tell('failed', ok or (type(problem) == 'table' and problem.code or problem))
    if workflow.patched('again ' .. i) then tell('patched', i) end
  end
  jobs:close()
  done:receive()
  return log
""")


@contextmanager
def sleeping(
    source: str, *, pool: HibernationPool | None = None, questions: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[HibernatingSession]:
    """A session that sleeps whenever it rests."""
    session = HibernatingSession(
        program_from_source(source, modules=MODULES, **{k: options.pop(k) for k in ("memory", "instructions") if k in options}),
        BOOT, pool=pool or HibernationPool(0), questions=questions, **options,
    )  # fmt: skip
    try:
        yield session
    finally:
        session.close()


def say(topic: str, *args: Any) -> Event:
    return protocol.message(topic, "{w|other}", [Payload.of(arg) for arg in args], at=5)


def step(session: Any, *events: Event, now: int = 1) -> Batch:
    batch: Batch = session.step(list(events), Clock(now))
    return batch


def awake_again(session: HibernatingSession, *events: Event) -> Batch:
    """The answer to the events, after which it sleeps."""
    batch = step(session, *events)
    session.rest()
    assert session.is_asleep
    return batch


# As if it had never slept ---------------------------------------------------------------------------------------------------

Choices = st.lists(
    st.tuples(st.sampled_from(["job", "other", "result", "failure", "update", "query", "validate", "cancel"]), st.integers(0, 99)),
    max_size=25,
)  # fmt: skip


class Both:
    """The same steps for a session that sleeps after each and one that never does."""

    def __init__(self, sleeper: HibernatingSession, other: Session) -> None:
        self.sleeper, self.other = sleeper, other
        self.pending: list[int] = []
        self.over = False

    def step(self, event: Event, now: int) -> None:
        clock = Clock(now * 10**9, history_length=now, replaying=now % 2 == 0)
        answer, wanted = (session.step([event], clock) for session in (self.sleeper, self.other))
        assert answer.frame == wanted.frame
        self.pending += [command.seq for command in answer.commands if command.seq is not None]
        self.over = answer.state != "running"

    def ask(self, ask: Callable[[Any], Any]) -> None:
        answer, wanted = (_asked(ask, session) for session in (self.sleeper, self.other))
        assert answer == wanted

    def take(self, what: str, n: int, now: int) -> None:
        if what == "query":
            self.ask(lambda session: session.query("log", [Payload.of(n)]))
        elif what == "validate":
            self.ask(lambda session: session.validate("add", [Payload.of("text" if n % 2 else n)]))
        elif what in ("result", "failure") and self.pending:
            seq = self.pending.pop(n % len(self.pending))
            error = Error("Broken", "no luck", details={"n": n})
            self.step(protocol.result(seq, Payload.of(n)) if what == "result" else protocol.failure(seq, error), now)
        elif what == "update":
            self.step(protocol.update(f"u{now}", "add", [Payload.of(n)]), now)
        elif what == "cancel" and n < 10:
            self.step(protocol.cancel("enough"), now)
        else:
            self.step(say("job" if what == "job" else "other", n), now)
        self.sleeper.rest()
        assert self.sleeper.is_asleep


def _asked(ask: Callable[[Any], Any], session: Any) -> Any:
    try:
        return ask(session)
    except Error as error:
        return error.to_wire()


def answers(number: int) -> dict[str, Callable[..., Any]]:
    """Of a host that says something else each time it is asked, and once that it cannot."""
    asked: list[str] = []

    def version(change: str, least: int, most: int) -> int:
        asked.append(change)
        return least + (number + len(asked)) % (most - least + 1)

    def patched(change: str) -> bool:
        asked.append(change)
        if len(asked) == 5:
            raise ConnectionError("the host's own trouble")
        return (number + len(asked)) % 2 == 0

    return {"workflow.version": version, "workflow.patched": patched}


@settings(max_examples=40)
@given(choices=Choices, number=st.integers(0, 5), shadow=st.booleans())
def test_each_step_answers_as_one_that_never_slept(choices: list[tuple[str, int]], number: int, shadow: bool) -> None:
    with sleeping(EVERYTHING, questions=answers(number), shadow=shadow) as sleeper:
        other = Session(program_from_source(EVERYTHING, modules=MODULES), BOOT, questions=answers(number))
        try:
            both = Both(sleeper, other)
            both.step(START, 1)
            for now, (what, n) in enumerate(choices, 2):
                if both.over:
                    break
                both.take(what, n, now)
        finally:
            other.close()


def test_the_script_of_that_test_does_not_fail_at_once() -> None:
    with sleeping(EVERYTHING, questions=answers(1)) as session:
        first = awake_again(session, START)
        assert [command.op for command in first.commands] == ["handler", "handler", "timer", "handler"]
        second = awake_again(session, say("job", 1))
        assert "call" in [command.op for command in second.commands]


@pytest.mark.parametrize("budget", range(20_000, 60_000, 2_000))
def test_a_budget_ends_at_the_same_place(budget: int) -> None:
    source = main("""
      local total = 0
      while true do
        local message = process.inbox():receive()
        for i = 1, message:payload():data() do total = total + #tostring({}) logger:debug('at', { i = i }) end
      end
    """)
    program = program_from_source(source, modules=MODULES, instructions=budget)
    other = Session(program, BOOT)
    try:
        with sleeping(source, instructions=budget) as session:
            for event in (START, say("go", 3), say("go", 40), say("go", 100), say("go", 160), say("go", 400)):
                answer, wanted = step(session, event), step(other, event)
                assert (answer.frame, answer.spent) == (wanted.frame, wanted.spent)
                if wanted.spent:
                    break
                session.rest()
            assert answer.spent == "instructions"
            session.rest()
            assert not session.is_asleep
    finally:
        other.close()


# Questions, queries and validators --------------------------------------------------------------------------------------------


def test_the_host_is_asked_once_and_what_it_said_is_told_again() -> None:
    asked: list[str] = []

    def version(change: str, least: int, most: int) -> int:
        asked.append(change)
        if change == "refused":
            raise invalid("out of range")
        if change == "broken":
            raise ConnectionError("the host's own trouble")
        return len(asked)

    body = """
      local a, b = workflow.version('a', 1, 9), workflow.version('b', 1, 9)
      local _, refused = workflow.version('refused', 1, 2)
      local _, broken = workflow.version('broken', 1, 2)
      process.inbox():receive()
      return { a, b, refused:kind(), broken:kind(), workflow.version('c', 1, 9) }
    """
    with sleeping(main(body), questions={"workflow.version": version}) as session:
        awake_again(session, START)
        batch = step(session, say("go"))
    assert batch.value is not None
    assert batch.value.value() == [1, 2, "Invalid", "Internal", 5]
    assert asked == ["a", "b", "refused", "broken", "c"]


def test_a_query_and_a_validator_of_one_that_sleeps() -> None:
    with sleeping(TELLS) as session:
        awake_again(session, START)
        awake_again(session, say("one"))
        assert session.query("n", []).value() == 1
        session.rest()
        assert session.is_asleep
        with pytest.raises(Error, match="unknown query 'other'"):
            session.query("other", [])
        session.rest()
        with pytest.raises(Error, match="no"):
            session.validate("add", [Payload.of(-1)])
        session.rest()
        session.validate("add", [Payload.of(1)])
        assert step(session, say("end")).state == "done"
        session.rest()
        assert session.query("n", []).value() == 2


# What differs is said -----------------------------------------------------------------------------------------------------------


def test_what_comes_out_differently_fails_whatever_woke_it() -> None:
    body = BORDERS + "logger:info('borders', { borders = borders })\nprocess.inbox():receive()"
    with sleeping(main(body)) as session:
        awake_again(session, START)
        for wake in (
            lambda: step(session, say("go")),
            lambda: session.query("__status", []),
            lambda: session.validate("x", []),
        ):
            with pytest.raises(WokenDiffers, match="test:script differs after hibernation: the one step of the run"):
                wake()
            assert session.is_asleep


def test_runs_of_a_bundle_of_which_one_differed_stay_awake() -> None:
    pool = HibernationPool(0)
    body = BORDERS + "logger:info('borders', { borders = borders })\nprocess.inbox():receive()"
    with sleeping(main(body), pool=pool) as session:
        awake_again(session, START)
        with pytest.raises(WokenDiffers):
            step(session, say("go"))
    with sleeping(main(body), pool=pool) as again:
        step(again, START)
        again.rest()
        assert not again.is_asleep
        assert step(again, say("go")).state == "done"
    assert pool.counts == HibernationCounts(differed=1)


def test_a_question_that_it_did_not_ask_before_fails() -> None:
    body = BORDERS + "for i = 1, 64 do workflow.version('v' .. i .. borders[i], 1, 9) end process.inbox():receive()"
    with sleeping(main(body), questions={"workflow.version": lambda *_: 1}) as session:
        awake_again(session, START)
        with pytest.raises(WokenDiffers, match=r"It asked workflow\.version\(v\d+"):
            session.query("__status", [])


# Who sleeps -----------------------------------------------------------------------------------------------------------------


@contextmanager
def five(pool: HibernationPool) -> Iterator[list[HibernatingSession]]:
    program = program_from_source(TELLS, modules=MODULES)
    sessions = [HibernatingSession(program, {**BOOT, "seed": seed}, pool=pool) for seed in range(5)]
    try:
        for session in sessions:
            step(session, START)
            session.rest()
        yield sessions
    finally:
        for session in sessions:
            session.close()
        assert (pool.counts.live, pool.counts.asleep) == (0, 0)


def asleep(sessions: list[HibernatingSession]) -> list[int]:
    return [number for number, session in enumerate(sessions) if session.is_asleep]


def test_those_sleep_that_have_waited_longest() -> None:
    pool = HibernationPool(2)
    with five(pool) as sessions:
        assert asleep(sessions) == [0, 1, 2]
        step(sessions[3], say("one"))
        sessions[3].rest()
        step(sessions[0], say("one"))
        assert asleep(sessions) == [1, 2]  # one that is being stepped does not wait
        sessions[0].rest()
        assert asleep(sessions) == [1, 2, 4]
        assert pool.counts == HibernationCounts(live=2, asleep=3, wakes=1, replayed=1)


def test_without_a_number_it_is_the_memory_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with five(HibernationPool()) as sessions:
        assert asleep(sessions) == []
        # An interpreter that has served before holds more.
        sizes = [session.memory_used() for session in sessions]
        room = sizes[3] + sizes[4] + sizes[0]
        monkeypatch.setattr(hibernation, "MAX_BYTES", room + min(sizes[1:3]) // 2)
        sessions[0].rest()
        assert asleep(sessions) == [1, 2]


def test_one_that_goes_on_is_left_alone() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def version(*_: Any) -> int:
        begun.set()
        go_on.wait()
        return 1

    body = "process.inbox():receive()\nworkflow.version('a', 1, 1)\nprocess.inbox():receive()"
    with sleeping(main(body), pool=HibernationPool(1), questions={"workflow.version": version}) as session:
        step(session, START)
        session.rest()
        thread = threading.Thread(target=step, args=(session, say("go")))
        thread.start()
        try:
            begun.wait()
            session.sleep()  # as another thread does that had chosen it before: neither waits, nor takes anything
        finally:
            go_on.set()
            thread.join()
        session.sleep()
        assert not session.is_asleep  # its activation may bring more
        session.rest()
        session.sleep()
        assert session.is_asleep


def test_many_threads_step_and_put_to_sleep() -> None:
    pool = HibernationPool(2)
    with five(pool) as sessions:
        counted: list[Any] = []

        def work(session: HibernatingSession) -> None:
            for _ in range(20):
                step(session, say("one"))
                session.rest()
            counted.append(session.query("n", []).value())
            session.rest()

        threads = [threading.Thread(target=work, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counted == [20] * 5
        assert pool.counts.live + pool.counts.asleep == 5
        sessions[0].rest()
        assert len(asleep(sessions)) >= 3


def test_one_whose_log_is_too_long_stays_awake_and_keeps_nobody_else_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "MAX_STEPS", 2)
    pool = HibernationPool(0)
    with sleeping(TELLS, pool=pool) as long, sleeping(TELLS, pool=pool) as short:
        awake_again(long, START)
        awake_again(long, say("one"))
        step(long, say("two"))
        long.rest()
        assert not long.is_asleep
        awake_again(short, START)
        assert long.query("n", []).value() == 2
        assert pool.counts.live == 1


def test_a_step_that_raised_is_not_told_again() -> None:
    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    body = "workflow.version('a', 1, 1)\nprocess.inbox():receive()"
    with sleeping(main(body), questions={"workflow.version": interrupted}) as session:
        with pytest.raises(KeyboardInterrupt):
            step(session, START)
        session.rest()
        assert not session.is_asleep


def test_the_time_of_others_does_not_end_one_that_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "MAX_SECONDS", 1e9)
    used = 0.0
    body = "for i = 1, 3000000 do end\nprocess.inbox():receive()\nfor i = 1, 3000000 do end"
    with sleeping(main(body), spent=lambda: used) as session:
        awake_again(session, START)
        used = 1.0
        batch = step(session, say("go"))
    assert batch.spent == "time"  # of the step itself, which is nobody else's


def test_a_closed_one_takes_nothing() -> None:
    for rests in (True, False):
        with sleeping(TELLS) as session:
            step(session, START)
            if rests:
                session.rest()
            session.close()
            session.close()
            session.rest()
            with pytest.raises(Error, match="the session is closed"):
                session.query("n", [])


def test_one_that_is_closed_while_it_comes_to_rest_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker ends after the run has let go of it and before the pool hears of it: it must not take another's place."""
    pool = HibernationPool(1)
    with sleeping(TELLS, pool=pool) as session:
        step(session, START)
        waits = pool.waits
        monkeypatch.setattr(pool, "waits", lambda closed, size: (closed.close(), waits(closed, size)))
        session.rest()
    assert (pool._bytes, list(pool._waiting)) == (0, [])
