"""Whatever scripts and the world outside do: no crash, no exception of a kind but `Error`, and the same again in a replay.

Short here; `make fuzz` runs the same for longer.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import lupa.lua54 as lupa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runtime.errors import Error
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import VirtualHost, program_from_source
from tests.security.corpus import INTERNALS, MODULES
from tests.security.grammar import scripts

_long = settings.get_current_profile_name() == "fuzz"
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


def _matchers() -> Any:
    """``(function name, subject, pattern, ...) -> Lua's own answer, ours`` as text, outside any sandbox."""
    source = resources.files("runtime").joinpath("kernel", "pattern.lua").read_bytes()
    lua = lupa.LuaRuntime(encoding=None, unpack_returned_tuples=True)
    return lua.execute(
        b"local K = { raw = { string = string, table = table, type = type, next = next, math = math, tostring = tostring },"
        b" check = function() end, type = type, misuse = function(text, ...) error(text, 0) end }\n"
        b"local ours = (function(...) " + source + b" end)()(K)\n"
        b"local function said(f, ...)\n"
        b"  local r = table.pack(pcall(f, ...))\n"
        b"  if not r[1] then return 'error' end\n"
        b"  for i = 1, r.n do r[i] = tostring(r[i]) end\n"
        b"  return table.concat(r, '|')\n"
        b"end\n"
        b"return function(name, ...) return said(string[name], ...), said(ours[name], ...) end"
    )


_patterns = st.lists(
    st.sampled_from(
        ["a", "b", ".", "%a", "%d", "%s", "[ab]", "[^a]", "[a-c]", "%f[a]", "%b()", "(", ")", "()", "*", "+", "-", "?", "^", "$",
         "%1", "%", "[", "]", "%%", "(a)", "(.-)"]
    ),
    max_size=7,
).map("".join)  # fmt: skip
_subjects = st.text("ab()1 %^-", max_size=10)
_both = _matchers()


@briefly
@given(st.sampled_from([b"find", b"match"]), _subjects, _patterns, st.integers(-4, 12))
def test_our_patterns_are_luas(name: bytes, subject: str, pattern: str, init: int) -> None:
    theirs, ours = _both(name, subject.encode(), pattern.encode(), init)
    assert ours == theirs, (subject, pattern)


@briefly
@given(_subjects, _patterns, st.sampled_from([b"", b"x", b"<%0>", b"%1", b"%%"]))
def test_our_substitutions_are_luas(subject: str, pattern: str, replacement: bytes) -> None:
    theirs, ours = _both(b"gsub", subject.encode(), pattern.encode(), replacement)
    assert ours == theirs, (subject, pattern)
