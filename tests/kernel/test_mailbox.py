"""Messages: to whom they go, in which order, and that each costs the same whatever else is unread or waits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.testing import VirtualHost
from tests.support import fail, host, main

TOPICS = ("a", "b", "c")

#: Does what it is told: each message of topic "do" is an action, and all that any channel gives is logged.
PLAYER = """
local inbox, log, both = process.inbox(), {}, channel.new(1000)
local function drain(ch, name)
  while true do
    local r = channel.select{ch:case_receive(), default = true}
    if r.default then return end
    log[#log + 1] = name .. tostring(r.value)
  end
end
local orders = process.listen('do')
while true do
  local order = orders:receive()
  local what, topic = order:sub(1, 1), order:sub(2)
  if what == 'l' then subscribe(topic, both) end
  if what == 'u' then unsubscribe(both) end
  if what == 'd' then drain(both, 'both ') end
  if what == 'i' then
    local r = channel.select{inbox:case_receive(), default = true}
    log[#log + 1] = 'inbox ' .. (r.default and 'nothing' or tostring(r.value:payload():data()))
  end
  if what == 'e' then drain(both, 'both ') return log end
  if what == 'n' then process.upgrade() end
end
"""


def expected(steps: list[str]) -> tuple[list[str], list[int]]:
    """What the player logs, and what nobody has received when it has not emptied its channel: plain lists, walked from the beginning each time."""
    log: list[str] = []
    kept: list[tuple[str, int]] = []
    heard: set[str] = set()
    buffer: list[int] = []
    for n, step in enumerate(steps):
        if step[0] == "m":
            kept.append((step[1:], n))
        elif step[0] == "l":
            heard.add(step[1:])
        elif step[0] == "u":
            heard.clear()
        elif step[0] == "d":
            log += [f"both {value}" for value in buffer]
            buffer.clear()
        else:
            first = next((item for item in kept if item[0] not in heard), None)
            log.append(f"inbox {first[1]}" if first else "inbox nothing")
            if first:
                kept.remove(first)
        buffer += [value for topic, value in kept if topic in heard]
        kept = [item for item in kept if item[0] not in heard]
    return log + [f"both {value}" for value in buffer], sorted(buffer + [value for _, value in kept])


steps = st.one_of(
    st.sampled_from([kind + topic for kind in "mmml" for topic in TOPICS]), st.sampled_from(["u", "d", "i", "i"])
)


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=30))
def test_messages_go_where_somebody_listens_in_their_order(steps: list[str]) -> None:
    virtual = played([*steps, "e"])
    assert virtual.outcome() == expected(steps)[0]
    virtual.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=30))
def test_the_next_program_gets_every_message_that_nobody_has_received(steps: list[str]) -> None:
    virtual = played([*steps, "n"])
    assert virtual.final is not None
    messages = (virtual.final.continuation or {})["messages"]
    assert [message["args"][0].value() for message in messages] == expected(steps)[1]
    virtual.close()


@pytest.mark.parametrize("listen", ["process.listen('a')", "subscribe('a', channel.new(3))"])
@pytest.mark.parametrize("received", [0, 1, 2, 3])
@pytest.mark.parametrize("closed", ["", "process.unlisten(ch)"])
def test_what_a_channel_has_room_for_is_unread_until_it_is_received(listen: str, received: int, closed: str) -> None:
    body = f"local ch = {listen} or nil for _ = 1, {received} do ch:receive() end process.listen('go'):receive() {closed} process.upgrade()"
    virtual = host(main(body.replace("subscribe('a', channel.new(3)) or nil", "channel.new(3) subscribe('a', ch)")))
    virtual.start()
    for n in range(1, 5):
        virtual.send("a", n)
    virtual.send("go")
    assert virtual.final is not None
    messages = (virtual.final.continuation or {})["messages"]
    assert [message["args"][0].value() for message in messages] == list(range(received + 1, 5))
    virtual.close()


def played(steps: list[str]) -> VirtualHost:
    virtual = host(main(PLAYER))
    virtual.start()
    for n, step in enumerate(steps):
        if step[0] == "m":
            virtual.send(step[1:], n)
        else:
            virtual.send("do", step)
    return virtual


def test_a_message_costs_the_same_whatever_else_is_unread() -> None:
    virtual = host(
        main("local a = process.listen('a') while a:receive() ~= 'end' do end return 1"), instructions=10_000
    )
    virtual.start()
    for n in range(2000):
        virtual.send("b", n)
    for n in range(5):
        virtual.send("a", n)
    virtual.send("a", "end")
    assert virtual.outcome() == 1
    virtual.close()


def test_an_event_costs_the_same_however_many_coroutines_wait() -> None:
    body = """
    local never = channel.new()
    while true do
      local n = process.inbox():receive():payload():data()
      if n == 0 then return 'done' end
      for _ = 1, n do coroutine.spawn(function() never:receive() end) end
    end
    """
    virtual = host(main(body), instructions=25_000)
    virtual.start()
    for _ in range(300):
        virtual.send("spawn", 10)
    virtual.send("spawn", 0)
    assert virtual.outcome() == "done"
    virtual.close()


def test_who_waits_at_a_channel_can_be_woken_once_it_listens() -> None:
    body = """
    local ch, other = channel.new(1), channel.new()
    coroutine.spawn(function() %s end)
    time.sleep('1s')
    subscribe('t', ch)
    %s
    other:receive()
    """
    for wait in ("ch:receive()", "channel.select{other:case_receive(), ch:case_receive()}"):
        virtual = host(main(body % (wait + " error('woken')", "")))
        virtual.start()
        virtual.advance(2_000_000_000)
        virtual.send("t", 1)
        assert "woken" in str(virtual.final.error if virtual.final else None)
        virtual.close()
        assert "all coroutines are blocked" in fail(body % (wait, "unsubscribe(ch)")).message
