"""The whole of `process` outside workflows, by one script: as a function, a process, an HTTP handler and an activity."""

from __future__ import annotations

from pathlib import Path

from runtime.contracts import HttpRequest, HttpResponse, Trigger
from runtime.payload import Payload
from runtime.temporal.dev_server import DevServer
from tests.process.support import PROCESSES, host, load, process, result, spawn
from tests.temporal.stage import ACTIVITY_MODULES, Files, staged

EVERYTHING = """
return function(peer, home)
  local seen = {}
  local events, inbox = process.events(), process.inbox()
  local function next_event()
    local e = assert(events:receive("60s"))
    local failure = e.result and e.result.error
    return e.kind .. " " .. tostring(failure and failure:kind() or e.result.value)
  end
  local function say(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    seen[#seen + 1] = table.concat(words, " ")
  end

  say("pid", process.pid():match("^{.+@.+|%d+}$") ~= nil, process.id() ~= "")
  say("options", process.get_options().trap_links, process.set_options({ trap_links = true }), process.get_options().trap_links)

  say("exec", process.exec(peer, home, "return", 1))
  local _, failed = process.exec(peer, home, "fail")
  say("exec fails", failed:kind(), failed:message(), failed:details().why, failed:stack() ~= nil)

  for _, how in ipairs({ "spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored" }) do
    local pid = assert(process[how](peer, home))
    say(how, process.send(pid, "fail"))
    if how == "spawn" then say("late monitor", process.monitor(pid), next_event()) end
    if how == "spawn_monitored" or how == "spawn_linked" then say(how, next_event()) end
    if how == "spawn_linked_monitored" then say(how, next_event(), next_event()) end
  end

  local pid = assert(process.spawn(peer, home))
  say("monitor", process.monitor(pid), process.unmonitor(pid), process.link(pid), process.unlink(pid))
  say("monitor again", process.monitor(pid))
  say("cancel", process.cancel(pid, "enough"), next_event())
  say("gone", process.send(pid, "x") == nil, select(2, process.send(pid, "x")):kind(), select(2, process.cancel(pid)):kind())

  pid = assert(process.spawn_monitored(peer, home))
  say("terminate", process.terminate(pid), next_event())

  local name = "everywhere " .. process.pid()
  say("register", process.registry.register(name), process.registry.register(name), process.registry.lookup(name) == process.pid())
  say("to a name", process.send(name, "to myself", 1, nil, 3))
  local m = inbox:receive()
  say("inbox", m:topic(), m:from() == process.pid(), #m:payload())
  say("unregister", process.registry.unregister(name), process.registry.unregister(name))
  say("lookup", select(2, process.registry.lookup(name)):kind())

  local topic = process.listen("answer")
  local named = process.with_name(name):with_context({ a = 1 }):with_message("answer", process.pid(), "first")
  local first = assert(named:spawn(peer, home))
  say("with_message", topic:receive())
  local second = assert(process.with_name(name):with_message("answer", process.pid(), "second"):spawn(peer, home))
  say("spawn or signal", first == second, topic:receive())
  say("context", process.send(name, "context", process.pid()), topic:receive())
  say("unlisten", process.unlisten(topic), process.terminate(name))

  say("reserved", select(2, process.send(process.pid(), "@x")):kind(), select(2, process.send("nobody", "x")):kind())
  return seen
end
"""
PEER = """
local function main(how, value)
  local events, inbox = process.events(), process.inbox()
  if how == "return" then return value end
  local function fail() return nil, errors.new({ kind = "Declined", message = "no funds", details = { why = "empty" } }) end
  if how == "fail" then return fail() end
  while true do
    local got = channel.select({ events:case_receive(), inbox:case_receive() })
    if got.channel == events then
      if got.value.kind == process.event.CANCEL then return got.value.reason end
    else
      local topic, said = got.value:topic(), got.value:payload()
      if topic == "fail" then return fail() end
      if topic == "answer" then process.send(said[1]:data(), "answer", said[2]:data()) end
      if topic == "context" then process.send(said:data(), "answer", (ctx.get("a"))) end
    end
  end
end
return main
"""

SEEN = """
pid true true
options false true true
exec 1
exec fails Declined no funds empty true
spawn true
late monitor true pid.exit Declined
spawn_monitored true
spawn_monitored pid.exit Declined
spawn_linked true
spawn_linked pid.link.down Declined
spawn_linked_monitored true
spawn_linked_monitored pid.link.down Declined pid.exit Declined
monitor true true true true
monitor again true
cancel true pid.exit enough
gone true NotFound NotFound
terminate true pid.exit Canceled
register true true true
to a name true
inbox to myself true 3
unregister true false
lookup NotFound
with_message first true
spawn or signal true second true
context true 1 true
unlisten true true
reserved Invalid NotFound
""".strip().splitlines()
REQUEST = HttpRequest("GET", "/", "localhost", "127.0.0.1", {}, {}, {}, b"")


async def test_in_a_function_a_process_and_a_handler(tmp_path: Path) -> None:
    everything = {"source": "file://everything.lua"}
    entries = [PROCESSES, process("peer"), process("as_process", **everything)]
    sources = {"everything.lua": EVERYTHING, "peer.lua": PEER}
    where = ("app:peer", "app:processes")
    async with host(load(tmp_path, sources, entries)) as target:
        arguments = [Payload.of(each) for each in where]
        function = await target.call("app:everything", arguments)
        handler = await target.call(
            "app:everything", arguments, trigger=Trigger(request=REQUEST, response=HttpResponse())
        )
        for value in (function.value(), handler.value(), await result(target, spawn(target, "as_process", *where))):
            assert value == SEEN
        assert target.running == []


async def test_in_an_activity(files: Files, temporal_server: DevServer) -> None:
    files.entry(name="processes", kind="process.host").activity("everything", EVERYTHING)
    (files.directory / "peer.lua").write_text(PEER)
    files.entry(name="peer", kind="process.lua", source="file://peer.lua", modules=ACTIVITY_MODULES)
    files.workflow("asks", "return function(...) return funcs.call('t:everything', ...) end")
    async with staged(files, temporal_server.address) as stage:
        assert await stage.run("asks", "t:peer", "t:processes") == SEEN
        assert stage.host.running == []
