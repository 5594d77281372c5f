"""The `events` module: between functions and processes of one host, and what the runtime tells of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INTERNAL, INVALID, LIMIT_EXCEEDED, PERMISSION_DENIED, Error
from runtime.modules.events import bus as events_bus
from runtime.modules.events.bus import EventBus, pattern
from runtime.payload import Payload
from runtime.principal import Actor, Principal
from tests.modules.host_script import run
from tests.process.support import MODULES, PROCESSES, Lines, call, function, host, load, process, result, spawn
from tests.waiting import eventually

WITH_EVENTS = [*MODULES, "events"]


async def ask(directory: Path, body: str, *args: Any) -> Any:
    return await run(directory, body, *args, modules=["events"])


async def test_events_arrive_whole_and_in_order(tmp_path: Path) -> None:
    body = r"""
    local sub = events.subscribe("orders", "order.*")
    local sent = events.send("orders", "order.created", "o-1", {id = "o-1", items = {1, 2.5}, none = json.object{}})
    events.send("stock", "order.created", "o-1")
    events.send("orders", "order.line.added", "o-1")
    events.send("orders", "order.paid", "o-1")
    events.send("orders", "order.paid", "o-2", "text \0 \u{263a}")
    events.send("orders", "order.paid", "o-3", payload.bytes("\255\0"))
    local ch, out = sub:channel(), {}
    for i = 1, 4 do out[i] = ch:receive() end
    return {sent, json.encode(out[1].data), {out[1].system, out[1].kind, out[1].path}, out[2].path, out[2].data == nil,
      out[3].data == "text \0 \u{263a}", out[4].data == "\255\0", sub:channel() == ch}
    """
    one = '{"id":"o-1","items":[1,2.5],"none":{}}'
    assert await ask(tmp_path, body) == [
        True, one, ["orders", "order.created", "o-1"], "o-1", True, True, True, True,
    ]  # fmt: skip


async def test_a_thousand_events_keep_their_order_for_every_subscriber(tmp_path: Path) -> None:
    body = """
    local all, some = events.subscribe("*"), events.subscribe("count", "n")
    for i = 1, 1000 do events.send("count", "n", tostring(i), i) end
    local right = true
    for _, sub in ipairs({all, some}) do
      for i = 1, 1000 do right = right and sub:channel():receive().data == i end
    end
    return right
    """
    assert await ask(tmp_path, body) is True


async def test_a_closed_subscription_hears_nothing_and_ends_its_readers(tmp_path: Path) -> None:
    body = """
    local sub = events.subscribe("a")
    local ended
    coroutine.spawn(function() local _, ok = sub:channel():receive() ended = not ok end)
    time.sleep("1ms")
    local closed = {sub:close(), sub:close()}
    events.send("a", "b", "c")
    time.sleep("1ms")
    return {closed, ended, select(2, sub:channel():receive())}
    """
    assert await ask(tmp_path, body) == [[True, True], True, False]


async def test_a_channel_of_events_can_be_selected_over(tmp_path: Path) -> None:
    body = """
    local a, b = events.subscribe("a"), events.subscribe("b")
    coroutine.spawn(function() events.send("b", "k", "p") end)
    local got = channel.select{a:channel():case_receive(), b:channel():case_receive()}
    return {got.channel == b:channel(), got.value.system, got.ok}
    """
    assert await ask(tmp_path, body) == [True, "b", True]


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        ('subscribe("")', INVALID),
        ('subscribe("a", "")', INVALID),
        ('send("", "k", "p")', INVALID),
        ('send("s", "", "p")', INVALID),
        ('send("s", "k", "")', INVALID),
        ('send("s", "k", "p", function() end)', INVALID),
        ('send("s", "k", ("p"):rep(2000))', INVALID),
        ('send("s", "k", "p", ("x"):rep(1024 * 1024))', INVALID),
        ('send("evermoon", "process.exited", "p")', PERMISSION_DENIED),
    ],
)
async def test_failures_have_a_kind(tmp_path: Path, attempt: str, kind: str) -> None:
    body = f"local value, err = events.{attempt} return {{value == nil, err:kind(), err:retryable()}}"
    assert await ask(tmp_path, body) == [True, kind, False]


@pytest.mark.parametrize("attempt", ["subscribe()", "subscribe(1)", "subscribe('a', {})", "send('a', 'b')", "send({})"])
async def test_a_wrong_type_raises_at_its_line(tmp_path: Path, attempt: str) -> None:
    with pytest.raises(Error, match=r"script\.lua:1: bad argument"):
        await ask(tmp_path, f"events.{attempt}")


async def test_processes_and_functions_hear_each_other(tmp_path: Path) -> None:
    sources = {
        "listener.lua": """return function()
          local sub = events.subscribe("shop", "order.*")
          process.registry.register("up")
          return sub:channel():receive().data.id
        end""",
        "teller.lua": 'return function(id) return events.send("shop", "order.paid", id, {id = id}) end',
    }
    entries = [PROCESSES, process("listener", modules=WITH_EVENTS), function("teller", modules=WITH_EVENTS)]
    async with host(load(tmp_path, sources, entries)) as target:
        pid = spawn(target, "listener")
        await eventually(lambda: target.names.get("up"))
        assert await call(target, "teller", "o-7") is True
        assert await result(target, pid) == "o-7"


async def test_a_scope_is_asked_about_the_system(tmp_path: Path) -> None:
    sources = {
        "try.lua": """return function(system)
          local sub, no = events.subscribe(system)
          local sent, not_sent = events.send(system, "k", "p")
          return {sub ~= nil, sent or false, no and no:kind() or "", not_sent and not_sent:kind() or ""}
        end"""
    }
    policy = {"actions": ["events.send", "events.subscribe"], "resources": "shop", "effect": "allow"}
    entries = [function("try", modules=WITH_EVENTS), {"name": "may", "kind": "security.policy", "policy": policy}]
    async with host(load(tmp_path, sources, entries)) as target:
        ann = Principal(Actor("ann"), ("app:may",))
        assert await call(target, "try", "shop", principal=ann) == [True, True, "", ""]
        assert await call(target, "try", "stock", principal=ann) == [False, False, PERMISSION_DENIED, PERMISSION_DENIED]


async def test_a_subscription_ends_with_its_execution(tmp_path: Path) -> None:
    sources = {"once.lua": 'return function() return events.subscribe("a") ~= nil end'}
    async with host(load(tmp_path, sources, [function("once", modules=WITH_EVENTS)])) as target:
        for _ in range(3):
            assert await call(target, "once") is True
        await eventually(lambda: not target.events._subscriptions)


async def test_an_upgraded_process_subscribes_anew(tmp_path: Path) -> None:
    sources = {
        "old.lua": 'return function() events.subscribe("a") process.upgrade("app:new") end',
        "new.lua": """return function()
          local sub = events.subscribe("a")
          process.registry.register("new")
          return sub:channel():receive().path
        end""",
    }
    entries = [PROCESSES, process("old", modules=WITH_EVENTS), process("new", modules=WITH_EVENTS)]
    async with host(load(tmp_path, sources, entries)) as target:
        pid = spawn(target, "old")
        await eventually(lambda: target.names.get("new"))
        assert len(target.events._subscriptions) == 1
        target.events.send("a", "k", "p")
        assert await result(target, pid) == "p"


async def test_a_cancelled_reader_is_told(tmp_path: Path) -> None:
    lines = Lines()
    sources = {
        "reader.lua": """return function()
          local ch = events.subscribe("a"):channel()
          process.registry.register("up")
          local _, ok, err = ch:receive()
          print(ok, err:kind())
        end"""
    }
    async with host(load(tmp_path, sources, [PROCESSES, process("reader", modules=WITH_EVENTS)]), log=lines) as target:
        pid = spawn(target, "reader")
        await eventually(lambda: target.names.get("up"))
        target.cancel(pid)
        await eventually(lambda: not target.running)
    assert [text for _, text, _ in lines.seen] == ["false\tCanceled"]


async def test_the_runtime_tells_of_processes(tmp_path: Path) -> None:
    sources = {
        "watcher.lua": """return function()
          local ch, out = events.subscribe("evermoon", "process.*"):channel(), {}
          process.registry.register("up")
          for i = 1, 3 do
            local event = ch:receive()
            out[i] = {event.kind, event.path, event.data.entry, event.data.host or "", event.data.sender or "", event.data.error or ""}
          end
          return out
        end""",
        "short.lua": "return function() error('oh') end",
    }
    entries = [PROCESSES, process("watcher", modules=WITH_EVENTS), process("short")]
    async with host(load(tmp_path, sources, entries)) as target:
        watcher = spawn(target, "watcher")
        await eventually(lambda: target.names.get("up"))
        short = spawn(target, "short", sender="{app:desk@n|1}")
        await eventually(lambda: target.find(short) is None)
        target.events.tell("process.other", "p", {"entry": "e"})
        assert await result(target, watcher) == [
            ["process.started", short, "app:short", "app:processes", "{app:desk@n|1}", ""],
            [
                "process.exited",
                short,
                "app:short",
                "app:processes",
                "",
                {"kind": INTERNAL, "message": "short.lua:1: oh"},
            ],
            ["process.other", "p", "e", "", "", ""],
        ]


async def test_the_runtime_tells_of_services_and_reloads(tmp_path: Path) -> None:
    patient = {"start_timeout": "10m"}
    service = {"name": "s", "kind": "process.service", "process": "once", "host": "processes", "lifecycle": patient}
    registry = load(tmp_path, {"once.lua": "return function() end"}, [PROCESSES, process("once"), service])
    async with host(registry) as target:
        heard = target.events.subscribe("evermoon", "service.*")
        reloads = target.events.subscribe("evermoon", "registry.reloaded")
        await target.services.start()
        await eventually(lambda: len(heard._unread) == 2)
        told = (await heard.next()).value()
        assert [(event["kind"], event["path"]) for event in told] == [
            ("service.started", "app:s"),
            ("service.stopped", "app:s"),
        ]
        target.use(registry, target.programs)
        [reload] = (await reloads.next()).value()
        assert reload["data"] == {"entries": 3}


async def test_the_runtime_tells_why_a_service_failed(tmp_path: Path) -> None:
    patient = {"start_timeout": "10m", "restart": {"max_attempts": 1}}
    service = {"name": "s", "kind": "process.service", "process": "fails", "host": "processes", "lifecycle": patient}
    sources = {"fails.lua": "return function() return nil, errors.new('Declined', 'no funds') end"}
    async with host(load(tmp_path, sources, [PROCESSES, process("fails"), service])) as target:
        heard = target.events.subscribe("evermoon", "service.*")
        await target.services.start()
        [told] = (await heard.next()).value()
    pid = told["data"].pop("pid")
    assert pid.startswith("{app:processes@")
    assert (told["kind"], told["path"]) == ("service.failed", "app:s")
    assert told["data"] == {"error": {"kind": "Declined", "message": "no funds"}}


@pytest.mark.parametrize(
    ("text", "fits", "not_so"),
    [
        ("a", ["a"], ["b", "a.b", "A"]),
        ("*", ["a", "b"], ["a.b"]),
        ("a.*", ["a.b", "a.c"], ["a", "a.b.c", "b.a"]),
        ("*.b", ["a.b"], ["b", "a.c"]),
        ("a.**", ["a", "a.b", "a.b.c"], ["b", "ab"]),
        ("a.**.z", ["a.z", "a.b.z", "a.b.c.z"], ["a", "a.b"]),
        ("a+.*", ["a+.b"], ["aa.b"]),
    ],
)
def test_patterns(text: str, fits: list[str], not_so: list[str]) -> None:
    wants = pattern(text)
    assert [wants(name) for name in [*fits, *not_so]] == [True] * len(fits) + [False] * len(not_so)


async def test_one_that_is_too_far_behind_reads_what_there_is_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_bus, "MAX_UNREAD", 3)
    bus = EventBus()
    slow, other = bus.subscribe("a"), bus.subscribe("a", "k4")
    for number in range(5):
        bus.send("a", f"k{number}", "p", Payload.of(number))
    assert [event["data"] for event in (await slow.next()).value()] == [0, 1, 2]
    with pytest.raises(Error, match="closed"):
        await slow.next()
    assert [event["data"] for event in (await other.next()).value()] == [4]


def test_a_host_has_so_many_subscriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_bus, "MAX_SUBSCRIPTIONS", 2)
    bus = EventBus()
    first, _ = bus.subscribe("a"), bus.subscribe("a")
    with pytest.raises(Error) as caught:
        bus.subscribe("a")
    assert caught.value.kind == LIMIT_EXCEEDED
    bus.unsubscribe(first)
    assert bus.subscribe("a")
