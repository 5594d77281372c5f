"""The `queue` module and the consumers of a host: what is published is handled, once, and what fails is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INTERNAL, INVALID, NOT_FOUND, PERMISSION_DENIED, RATE_LIMITED, UNAVAILABLE, Error
from runtime.modules.queue.memory import MemoryQueue
from runtime.modules.queue.message import QueueMessage
from runtime.modules.queue.queues import queues_of
from runtime.payload import Payload
from runtime.principal import Actor, Principal
from runtime.process.host import ProcessHost
from runtime.registry import QueueEntry, Registry, RegistryError
from tests.process.support import MODULES, PROCESSES, Lines, call, function, host, load, process
from tests.waiting import eventually

WITH_QUEUE = [*MODULES, "queue", "events", "store", "outcome"]
SOON = {"initial_delay": "1ms", "max_delay": "2ms"}
PATIENT = {"start_timeout": "10m", "stop_timeout": "10m"}
DRIVER = {"name": "memory", "kind": "queue.driver.memory"}
#: A function that publishes what it is given, for tests to call.
PUBLISH = "return function(id, body, headers) return queue.publish(id, body, headers) end"
INFO = "return function(id) return queue.info(id) end"


def queue(name: str = "q", *, codec: str = "json", **options: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "queue.queue",
        "driver": "memory",
        "codec": codec,
        "driver_options": {**SOON, **options},
    }


def consumer(func: str = "handle", of: str = "q", **fields: Any) -> dict[str, Any]:
    return {"name": f"{func}_{of}", "kind": "queue.consumer", "queue": of, "func": func, "lifecycle": PATIENT, **fields}


def registry(directory: Path, *entries: dict[str, Any], **sources: str) -> Registry:
    files = {f"{name}.lua": text for name, text in {"publish": PUBLISH, "info": INFO, **sources}.items()}
    named = {entry["name"] for entry in entries}
    functions = [
        function(name, modules=WITH_QUEUE) for name in ["publish", "info", *sources] if name not in named
    ]  # fmt: skip
    return load(directory, files, [DRIVER, PROCESSES, *entries, *functions])


@asynccontextmanager
async def serving(made: Registry, lines: Lines) -> AsyncIterator[ProcessHost]:
    async with host(made, log=lines) as target:
        await target.services.start()
        yield target


async def the_queue(target: ProcessHost, name: str = "q") -> MemoryQueue:
    found = await (await queues_of(target.resources)).of(target.registry, f"app:{name}")
    assert isinstance(found, MemoryQueue)
    return found


def said(lines: Lines) -> list[str]:
    return [text for _, text, _ in lines.seen]


async def test_a_message_arrives_as_it_was_published(tmp_path: Path) -> None:
    handle = """return function(body)
      local m = queue.message()
      local h = m:headers()
      print(json.encode(body), m:attempt(), #m:id() > 0, queue.message() == m)
      print(math.type(h.count), math.type(h.share), h.flag, m:header("text"), m:header("none"), json.encode(h.list))
    end"""
    lines = Lines()
    async with serving(registry(tmp_path, queue(), consumer(), handle=handle), lines) as target:
        headers = {"count": 3, "share": 1.0, "flag": True, "text": "naïve", "list": [1, 2]}
        assert await call(target, "publish", "app:q", {"n": 1.0, "list": [1]}, headers) is True
        await eventually(lambda: len(lines.seen) == 2)
    assert said(lines) == ['{"list":[1],"n":1.0}\t1\ttrue\ttrue', "integer\tfloat\ttrue\tnaïve\tnil\t[1,2]"]


async def test_a_thousand_messages_are_handled_once_each_and_in_order(tmp_path: Path) -> None:
    lines = Lines()
    handle = "return function(n) print(n) end"
    many = "return function() for i = 1, 1000 do assert(queue.publish('app:q', i)) end return true end"
    async with serving(registry(tmp_path, queue(), consumer(), handle=handle, many=many), lines) as target:
        assert await call(target, "many") is True
        await eventually(lambda: len(lines.seen) >= 1000)
        found = await the_queue(target)
        await eventually(lambda: len(found) == 0)
    assert said(lines) == [str(n) for n in range(1, 1001)]


async def test_as_many_handlers_at_once_as_the_consumer_says(tmp_path: Path) -> None:
    """Each waits until three have begun; a fourth does not begin before one has ended."""
    handle = """return function(n)
      process.registry.register("h" .. n)
      process.inbox():receive()
      print(n)
    end"""
    lines = Lines()
    made = registry(tmp_path, queue(), consumer(concurrency=3, prefetch=1), handle=handle)
    async with serving(made, lines) as target:
        for n in range(1, 5):
            await call(target, "publish", "app:q", n)
        await eventually(lambda: all(target.names.get(f"h{n}") for n in (1, 2, 3)))
        info = await call(target, "info", "app:q")
        assert (info["message_count"], info["in_flight"], info["consumer_count"], info["ready"]) == (4, 3, 1, True)
        assert target.names.get("h4") is None
        target.send(target.names.lookup("h2"), "go", [])
        await eventually(lambda: target.names.get("h4"))
        for n in (1, 3, 4):
            target.send(target.names.lookup(f"h{n}"), "go", [])
        await eventually(lambda: len(lines.seen) == 4)
        assert said(lines)[0] == "2"


async def test_a_handler_that_fails_is_given_the_message_again(tmp_path: Path) -> None:
    handle = """return function(how)
      local attempt = queue.message():attempt()
      print(how, attempt)
      if attempt > 2 then return end
      if how == "raise" then error("oh") end
      if how == "nack" then return queue.message():nack("not now") and nil end
      return nil, errors.new{kind = errors.UNAVAILABLE, message = "busy"}
    end"""
    lines = Lines()
    async with serving(registry(tmp_path, queue(), consumer(), handle=handle), lines) as target:
        for how in ("raise", "return", "nack"):
            before = len(lines.seen)
            await call(target, "publish", "app:q", how)
            await eventually(lambda before=before: len(lines.seen) == before + 3)  # type: ignore[misc]
        assert said(lines) == [f"{how}\t{n}" for how in ("raise", "return", "nack") for n in (1, 2, 3)]
        found = await the_queue(target)
        await eventually(lambda: len(found) == 0)


async def test_a_message_that_always_fails_becomes_a_dead_letter(tmp_path: Path) -> None:
    sources = {
        "handle": "return function(body) print('try', body) error('poison') end",
        "bury": """return function(body)
          local h = queue.message():headers()
          print("dead", body, h.mine, h["dead_letter.queue"], h["dead_letter.attempts"], h["dead_letter.error"].kind)
        end""",
    }
    lines = Lines()
    made = registry(
        tmp_path, queue(max_attempts=3, dead_letter="dead"), queue("dead"), consumer(), consumer("bury", "dead"), **sources
    )  # fmt: skip
    async with serving(made, lines) as target:
        await call(target, "publish", "app:q", "p", {"mine": "kept"})
        await call(target, "publish", "app:q", "p", {"mine": "kept"})
        await eventually(lambda: said(lines).count("dead\tp\tkept\tapp:q\t3\tInternal") == 2)
        assert said(lines).count("try\tp") == 6


@pytest.mark.parametrize(
    "fails",
    ['outcome.fail("CardDeclined", "no")', 'errors.new{kind = errors.INVALID, message = "bad"}'],
    ids=["not retryable", "a kind that is not retried"],
)
async def test_what_a_retry_cannot_mend_is_dropped_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    result = f"return {fails}" if fails.startswith("outcome") else f"return nil, {fails}"
    lines = Lines()
    made = registry(tmp_path, queue(), consumer(), handle=f"return function() print('try') {result} end")
    async with serving(made, lines) as target:
        await call(target, "publish", "app:q", "p")
        await eventually(lambda: "is dropped after 1 attempt" in caplog.text)
    assert said(lines) == ["try"]


async def test_a_message_that_spends_a_limit_is_dropped_and_the_next_one_handled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    handle = """return function(how)
      if how == "spin" then while true do end end
      if how == "grow" then local s = "x" while true do s = s .. s end end
      print(how)
    end"""
    lines = Lines()
    limited = function("handle", modules=WITH_QUEUE, limits={"instructions": 100_000, "memory": "8MiB"})
    async with serving(registry(tmp_path, queue(), consumer(), limited, handle=handle), lines) as target:
        for how in ("spin", "grow", "fine"):
            await call(target, "publish", "app:q", how)
        found = await the_queue(target)
        await eventually(lambda: len(found) == 0)
    assert said(lines) == ["fine"]
    assert caplog.text.count("is dropped after 1 attempt: ") == 2


async def test_outcome_retry_says_when(tmp_path: Path) -> None:
    """The queue's own delay would be a day."""
    handle = """return function()
      print(queue.message():attempt())
      if queue.message():attempt() == 1 then return outcome.retry("busy", "1ms") end
    end"""
    lines = Lines()
    made = registry(tmp_path, queue(initial_delay="24h", max_delay="24h"), consumer(), handle=handle)
    async with serving(made, lines) as target:
        await call(target, "publish", "app:q", "p")
        await eventually(lambda: said(lines) == ["1", "2"])


async def test_a_message_is_settled_once(tmp_path: Path) -> None:
    handle = """return function(body)
      local m = queue.message()
      local first = {m[body](m)}
      local _, again = m:ack()
      local _, other = m:nack()
      print(body, first[1], again:kind(), other:kind(), m:attempt())
      if body == "ack" then error("after an ack this changes nothing") end
    end"""
    lines = Lines()
    made = registry(tmp_path, queue(max_attempts=2), consumer(), handle=handle)
    async with serving(made, lines) as target:
        await call(target, "publish", "app:q", "ack")
        found = await the_queue(target)
        await eventually(lambda: len(lines.seen) == 1 and len(found) == 0)
        await call(target, "publish", "app:q", "nack")
        await eventually(lambda: len(lines.seen) == 3 and len(found) == 0)
    assert said(lines) == [
        "ack\ttrue\tInvalid\tInvalid\t1",
        "nack\ttrue\tInvalid\tInvalid\t1",
        "nack\ttrue\tInvalid\tInvalid\t2",
    ]


async def test_the_publishers_context_and_pid_come_with_the_message(tmp_path: Path) -> None:
    sources = {
        "handle": "return function() print(ctx.get('tenant'), ctx.get('more')) end",
        "outer": """return function()
          return funcs.new():with_context({more = "yes"}):call("app:publish", "app:q", "b")
        end""",
    }
    lines = Lines()
    async with serving(registry(tmp_path, queue(), consumer(), **sources), lines) as target:
        assert await call(target, "outer", context={"tenant": "acme"}) is True
        await eventually(lambda: said(lines) == ["acme\tyes"])


async def test_a_handler_runs_for_whom_its_message_was_published(tmp_path: Path) -> None:
    sources = {
        "handle": "return function() local a = security.actor() print(a and a:id() or 'nobody', security.scope() ~= nil) end"
    }
    policy = {"actions": "queue.publish", "resources": "app:q", "effect": "allow"}
    lines = Lines()
    handler = function("handle", modules=[*WITH_QUEUE, "security"])
    made = registry(
        tmp_path, queue(), queue("other"), consumer(), handler, {"name": "may", "kind": "security.policy", "policy": policy}, **sources
    )  # fmt: skip
    async with serving(made, lines) as target:
        assert await call(target, "publish", "app:q", 1) is True
        await eventually(lambda: said(lines) == ["nobody\tfalse"])
        ann = Principal(Actor("ann"), ("app:may",))
        assert await call(target, "publish", "app:q", 1, principal=ann) is True
        await eventually(lambda: said(lines)[1:] == ["ann\ttrue"])
        with pytest.raises(Error, match=r"queue\.publish on app:other is not allowed to ann") as refused:
            await call(target, "publish", "app:other", 1, principal=ann)
        assert refused.value.kind == PERMISSION_DENIED


async def test_a_handler_may_publish_and_a_process_too(tmp_path: Path) -> None:
    sources = {
        "handle": "return function(n) if n < 3 then queue.publish('app:q', n + 1) end print(n) end",
        "actor": "return function() queue.publish('app:q', 1) end",
    }
    service = {"name": "s", "kind": "process.service", "process": "actor", "host": "processes", "lifecycle": PATIENT}
    lines = Lines()
    made = registry(tmp_path, queue(), consumer(), process("actor", modules=WITH_QUEUE), service, **sources)
    async with serving(made, lines):
        await eventually(lambda: said(lines) == ["1", "2", "3"])


async def test_python_functions_handle_messages(tmp_path: Path) -> None:
    (tmp_path / "queue_handlers.py").write_text(
        "from runtime.process import current\n"
        "seen = []\n"
        "def handle(order: dict) -> None:\n"
        "    message = current().message\n"
        "    seen.append((order['id'], message.attempt, dict(message.headers), message.queue))\n"
        "    if message.attempt == 1:\n"
        "        raise RuntimeError('not yet')\n"
        "    message.ack() if message.attempt > 2 else message.nack('again')\n"
    )
    entry = {"name": "handle", "kind": "function.py", "source": "py://queue_handlers:handle"}
    async with serving(registry(tmp_path, queue(), consumer(), entry), Lines()) as target:
        await call(target, "publish", "app:q", {"id": "o-1"}, {"h": 1})
        found = await the_queue(target)
        seen = target.registry["app:handle"].load().__globals__["seen"]  # type: ignore[attr-defined]
        await eventually(lambda: len(seen) == 3 and len(found) == 0)
    assert seen == [("o-1", attempt, {"h": 1}, "app:q") for attempt in (1, 2, 3)]


@pytest.mark.parametrize("codec", ["bytes", "application/octet-stream"])
async def test_bytes_of_a_queue_that_takes_them(tmp_path: Path, codec: str) -> None:
    sources = {
        "handle": r"return function(body) print(#body, body == '\255\0' or body == 'naïve') end",
        "send": r"""return function()
          local _, err = queue.publish("app:q", {1})
          return {queue.publish("app:q", payload.bytes("\255\0")), queue.publish("app:q", "naïve"), err:kind()}
        end""",
    }
    lines = Lines()
    async with serving(registry(tmp_path, queue(codec=codec), consumer(), **sources), lines) as target:
        assert await call(target, "send") == [True, True, INVALID]
        await eventually(lambda: said(lines) == ["2\ttrue", "6\ttrue"])


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        ('publish("app:q", {})', INVALID),
        ('publish("", {})', INVALID),
        ('publish("app:none", {})', INVALID),
        ('publish("app:q", json.object{})', INVALID),
        ('publish("app:q")', INVALID),
        ('publish("", 1)', INVALID),
        ('publish("app:none", 1)', NOT_FOUND),
        ('publish("app:memory", 1)', NOT_FOUND),
        ('publish("app:q", function() end)', INVALID),
        ('publish("app:q", "\\255")', INVALID),
        ('publish("app:q", payload.bytes("x"))', INVALID),
        ('publish("app:q", 1, {1})', INVALID),
        ('publish("app:q", 1, {f = function() end})', INVALID),
        ('publish("app:q", 1, {h = ("x"):rep(70000)})', INVALID),
        ('publish("app:q", ("x"):rep(2000))', INVALID),
        ('info("")', INVALID),
        ('info("app:none")', INTERNAL),
        ("message()", INVALID),
    ],
)
async def test_failures_have_a_kind(tmp_path: Path, attempt: str, kind: str) -> None:
    source = (
        f"return function() local value, err = queue.{attempt} return {{value == nil, err:kind(), err:retryable()}} end"
    )
    async with host(registry(tmp_path, queue(max_message=1000), ask=source)) as target:
        assert await call(target, "ask") == [True, kind, False]


@pytest.mark.parametrize("attempt", ["publish(1, 2)", "publish('q', 1, 2)", "info()", "publish()"])
async def test_a_wrong_type_raises_at_its_line(tmp_path: Path, attempt: str) -> None:
    async with host(registry(tmp_path, queue(), ask=f"return function()\n queue.{attempt} end")) as target:
        with pytest.raises(Error, match=r"ask\.lua:2: bad argument"):
            await call(target, "ask")


async def test_a_full_queue_refuses_and_says_so(tmp_path: Path) -> None:
    async with host(registry(tmp_path, queue(max_length=2), queue("small", max_bytes=10))) as target:
        for _ in range(2):
            assert await call(target, "publish", "app:q", 1) is True
        assert (await call(target, "info", "app:q"))["ready"] is False
        for name, body in (("q", 1), ("small", "more than ten bytes")):
            with pytest.raises(Error) as caught:
                await call(target, "publish", f"app:{name}", body)
            assert (caught.value.kind, caught.value.retryable) == (RATE_LIMITED, True)


async def test_a_stop_handles_what_is_queued_and_what_that_publishes(tmp_path: Path) -> None:
    sources = {
        "first": "return function(n) time.sleep('1ms') queue.publish('app:b', n) end",
        "second": "return function(n) time.sleep('1ms') print(n) end",
    }
    lines = Lines()
    made = registry(tmp_path, queue("a"), queue("b"), consumer("first", "a"), consumer("second", "b"), **sources)
    async with serving(made, lines) as target:
        for n in range(20):
            await call(target, "publish", "app:a", n)
        await target.services.stop()
        assert said(lines) == [str(n) for n in range(20)]


async def test_services_that_publish_as_they_end_are_heard(tmp_path: Path) -> None:
    sources = {
        "handle": "return function(body) print(body) end",
        "actor": "return function() process.events():receive() queue.publish('app:q', 'bye') end",
    }
    service = {"name": "s", "kind": "process.service", "process": "actor", "host": "processes", "lifecycle": PATIENT}
    lines = Lines()
    made = registry(tmp_path, queue(), service, consumer(), process("actor", modules=WITH_QUEUE), **sources)
    async with serving(made, lines) as target:
        await target.services.stop()
        assert said(lines) == ["bye"]


async def test_a_handler_that_does_not_end_is_ended_and_its_message_counted_as_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = "return function() process.events() process.registry.register('up') while true do time.sleep('1h') end end"
    made = registry(tmp_path, queue(), consumer(prefetch=1, lifecycle={"stop_timeout": "1ms"}), handle=deaf)
    async with serving(made, Lines()) as target:
        await call(target, "publish", "app:q", 1)
        await call(target, "publish", "app:q", 2)
        await eventually(lambda: target.names.get("up"))
        await target.services.stop()
        await eventually(lambda: not target.running)
    assert "app:q: messages that were not handled before the host ended: 2" in caplog.text


async def test_a_reload_keeps_the_messages(tmp_path: Path) -> None:
    lines = Lines()
    handle = "return function(n) print(n) end"
    async with host(registry(tmp_path, queue(), handle=handle), log=lines) as target:
        await target.services.start()
        for n in range(3):
            await call(target, "publish", "app:q", n)
        later = registry(tmp_path, queue(max_length=5), consumer(), handle=handle)
        target.use(later, type(target.programs)(later))
        await eventually(lambda: said(lines) == ["0", "1", "2"])
        gone = registry(tmp_path, queue(max_length=5), handle=handle)
        target.use(gone, type(target.programs)(gone))
        found = await the_queue(target)
        await eventually(lambda: found.consumers == 0)
        await call(target, "publish", "app:q", 9)
        info = await call(target, "info", "app:q")
        assert (info["message_count"], info["max_length"]) == (1, 5)


async def test_what_a_consumer_took_ahead_goes_back_in_order(tmp_path: Path) -> None:
    lines = Lines()
    waits = "return function() process.registry.register('up') process.inbox():receive() end"
    prints = "return function(n) print(n) end"
    async with host(registry(tmp_path, queue(), consumer("waits"), waits=waits, prints=prints), log=lines) as target:
        await target.services.start()
        for n in range(5):
            await call(target, "publish", "app:q", n)
        await eventually(lambda: target.names.get("up"))
        later = registry(tmp_path, queue(), consumer("prints"), waits=waits, prints=prints)
        target.use(later, type(target.programs)(later))
        target.send(target.names.lookup("up"), "go", [])
        await eventually(lambda: said(lines) == ["1", "2", "3", "4"])


async def test_one_that_does_not_start_by_itself_takes_nothing(tmp_path: Path) -> None:
    made = registry(tmp_path, queue(), consumer(lifecycle={"auto_start": False}), handle="return function() end")
    async with serving(made, Lines()) as target:
        await call(target, "publish", "app:q", 1)
        assert (await call(target, "info", "app:q"))["consumer_count"] == 0


async def test_one_whose_queue_cannot_be_made_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = registry(
        tmp_path, queue(max_length="${env:MISSING}"), queue("b"), consumer(), consumer(of="b"), handle="return print"
    )
    lines = Lines()
    async with serving(made, lines) as target:
        await call(target, "publish", "app:b", "heard")
        await eventually(lambda: said(lines) == ["heard"])
    assert "app:handle_q does not start: app:q: driver_options.max_length: " in caplog.text


async def test_two_consumers_share_a_queue(tmp_path: Path) -> None:
    """Each handler waits for the other one's."""
    sources = {
        name: f"return function() process.registry.register('{name}') process.inbox():receive() end"
        for name in ("one", "two")
    }
    made = registry(tmp_path, queue(), consumer("one", prefetch=1), consumer("two", prefetch=1), **sources)
    async with serving(made, Lines()) as target:
        for n in range(2):
            await call(target, "publish", "app:q", n)
        await eventually(lambda: target.names.get("one") and target.names.get("two"))
        for name in sources:
            target.send(target.names.lookup(name), "go", [])
        found = await the_queue(target)
        await eventually(lambda: len(found) == 0)


async def test_a_message_given_back_is_first_in_line_and_no_attempt(tmp_path: Path) -> None:
    entry = registry(tmp_path, queue(initial_delay="24h", max_delay="24h"))["app:q"]
    assert isinstance(entry, QueueEntry)

    async def unburied(*_: object) -> None:
        raise AssertionError("nothing is given up here")

    found = MemoryQueue(entry, unburied)
    for n in (1, 2):
        await found.put(QueueMessage(Payload.of(n)))
    first = await found.take()
    await found.untake(first)
    again = await found.take()
    assert (again.id, again.attempt, again.body.value()) == (first.id, 1, 1)
    waiting = asyncio.create_task(found.quiet())
    await found.ack(again)
    await found.nack(await found.take(), Error(UNAVAILABLE, "busy"))
    await waiting
    assert (len(found), found.is_busy) == (1, False)


def test_dead_letters_that_go_round_are_refused_at_load(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="dead letters go round in a circle: app:a → app:b → app:a"):
        registry(tmp_path, queue("a", dead_letter="b"), queue("b", dead_letter="a"))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (queue(max_lenght=3), 'did you mean "max_length"'),
        (
            {**queue(), "driver": "processes"},
            "is a process.host, not a queue.driver.memory or queue.driver.sql or queue.driver.redis",
        ),
        (queue(codec="xml"), "codec: expects 'json' or 'bytes'"),
        (consumer(of="none"), "no entry"),
        (consumer("processes"), "is a process.host, not a function.lua or function.py"),
        (consumer(concurrency=0), "concurrency"),
    ],
)
def test_wrong_definitions_are_told(tmp_path: Path, entry: dict[str, Any], problem: str) -> None:
    entries = [entry, *([] if entry["kind"] == "queue.queue" else [queue()])]
    with pytest.raises(RegistryError) as caught:
        registry(tmp_path, *entries, handle="return function() end")
    assert problem in str(caught.value)
