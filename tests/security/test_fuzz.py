"""Whatever scripts and the world outside do: no crash, no exception of a kind but `Error`, and the same again in a replay.

Short here; `make fuzz` runs the same for longer.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import VirtualHost, program_from_source
from tests.kernel.patterns import checks
from tests.security.corpus import INTERNALS, MODULES
from tests.security.grammar import scripts

_long = settings.get_current_profile_name() == "fuzz"
#: Random patterns and texts in each example of a test of patterns: millions in `make fuzz`.
_CASES = 200 if _long else 40
briefly = settings() if _long else settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

texts = st.text(max_size=12)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def _run(source: str, *args: Any) -> VirtualHost | None:
    try:
        program = program_from_source(source, modules=MODULES, memory=8 * 1024 * 1024, instructions=300_000)
    except Error:
        return None
    virtual = VirtualHost(program, functions={"a:b": lambda *_: 1})
    told = ""
    try:
        virtual.run(*args)
    except Error as error:
        told = f"{error}\n{error.stack}\n{error.details}"
    assert not INTERNALS.search(told)
    return virtual


@briefly
@given(scripts)
def test_scripts(source: str) -> None:
    virtual = _run(source)
    if virtual is not None:
        limit = virtual.final.error.details if virtual.final and virtual.final.error else None
        if (limit or {}).get("limit") is None:  # memory and time are not the same twice
            virtual.replay()
        virtual.close()


@briefly
@given(values)
@example({"\ud800": "\udfff"})
@example(2**70)
@example({"": {"": []}})
def test_values_come_back_as_they_were(value: Any) -> None:
    """Except what JSON in Lua cannot keep: nulls in objects, integers beyond 64 bits, half a surrogate pair."""
    try:
        given_value = Payload.of(value).value()
    except Error:
        return
    virtual = VirtualHost(program_from_source("return function(v) return v end"))
    try:
        assert virtual.run(value) == _kept(given_value)
    finally:
        virtual.close()


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_kept(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return float(value)
    return value


@briefly
@given(st.binary(max_size=40), st.sampled_from(["json/plain", "binary/plain", "binary/null", "json/protobuf", "x", ""]))
def test_payloads_of_any_bytes(data: bytes, encoding: str) -> None:
    source = (
        "return function(v) local m = process.inbox():receive() local d, e = m:payload():data() return tostring(e) end"
    )
    virtual = VirtualHost(program_from_source(source))
    virtual.start(1)
    virtual.send("topic", Payload(encoding, data))
    assert virtual.final is not None
    virtual.close()


BUSY = """
return function()
  workflow.query("q", function(...) return select("#", ...) end)
  workflow.update("u", function(x) time.sleep("1s") return x end, function(x) if x == 0 then return nil, "zero" end end)
  coroutine.spawn(function() while true do local m = process.inbox():receive() if not m then break end a = m:payload() end end)
  local topic = process.listen("topic")
  for i = 1, 5 do
    local f = funcs.async("a:b", i)
    local r = channel.select({ f:channel():case_receive(), topic:case_receive(), time.after("1s"):case_receive() })
    if r.error then return nil, r.error end
  end
  process.events():receive()
  return "done"
end
"""

payloads = st.one_of(values.map(lambda value: _payload(value)), st.binary(max_size=8).map(Payload.of))
events = st.one_of(
    st.tuples(st.integers(-1, 12), payloads).map(lambda p: protocol.result(*p)),
    st.tuples(st.integers(-1, 12), texts, texts).map(lambda p: protocol.failure(p[0], Error(p[1], p[2]))),
    st.tuples(st.sampled_from(["topic", "x", "", "\ud800", "@y"]), texts, st.lists(payloads, max_size=3)).map(
        lambda p: protocol.message(*p)
    ),
    texts.map(protocol.cancel),
    st.tuples(st.text(max_size=3), st.sampled_from(["u", "v", ""]), st.lists(payloads, max_size=2)).map(
        lambda p: protocol.update(*p)
    ),
    st.tuples(texts, payloads).map(lambda p: protocol.process_exit(p[0], 0, p[1])),
    texts.map(lambda sender: protocol.process_exit(sender, 0, error=Error("K", "m"), kind="pid.link.down")),
    st.just(protocol.start([])),
)


def _payload(value: Any) -> Payload:
    try:
        return Payload.of(value)
    except Error:
        return Payload.of(None)


@briefly
@given(st.lists(st.tuples(st.lists(events, max_size=4), st.booleans()), max_size=12))
def test_events_in_any_order(steps: list[tuple[list[protocol.Event], bool]]) -> None:
    """Answers nobody asked for, answers twice, cancellations, updates that nobody knows: in any order, before the start too."""
    boot = {"class": "workflow", "pid": "{w|r}", "seed": 1, "ctx": {}, "info": {}}
    program = program_from_source(BUSY, modules=MODULES)
    first, second = Session(program, boot), Session(program, boot)
    for number, (batch, ask) in enumerate(steps):
        answer = first.step(batch, protocol.Clock(now=number))
        assert answer.frame == second.step(batch, protocol.Clock(now=number)).frame
        if ask:
            for name in ("q", "__lua_stack", "nothing", "\ud800"):
                try:
                    first.query(name, [Payload.of(1)])
                except Error:
                    pass
        if answer.state != "running":
            break
    first.close()
    second.close()


@briefly
@given(st.sampled_from([b"usual", b"judged", b"regex", b"counted"]), st.integers(0, 2**31), st.integers(3, 5))
def test_patterns_are_luas(which: bytes, seed: int, odd: int) -> None:
    """Whoever matches: Lua's own matcher, RE2, or the one that counts. `odd`: how often a pattern has what is rare or malformed."""
    problem = checks()(b"same", which, seed, _CASES, odd)
    assert problem is None, problem.decode("latin-1")


@briefly
@given(st.integers(0, 2**31), st.integers(3, 5))
def test_patterns_take_no_more_steps_than_foreseen(seed: int, odd: int) -> None:
    problem = checks()(b"bounded", seed, _CASES, odd)
    assert problem is None, problem.decode("latin-1")
