"""What functions publish to those who follow a run, over the wire."""

from __future__ import annotations

import itertools
import textwrap
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.contracts import Cursor
from runtime.errors import PERMISSION_DENIED, Error
from runtime.temporal.dev_server import DevServer
from tests.http.site import Site
from tests.http.test_events import Heard, blocks, heard

SCRIPTS = {
    "answer.lua": """
    return function(words, name)
        local said = assert(funcs.call("web:" .. (name or "speak"), words))
        process.listen("go"):receive()
        return said
    end
    """,
    "functions.lua": """
    local stream, activity = require("stream"), require("activity")
    local F = {}
    function F.speak(words)
        for _, word in ipairs(words) do assert(stream.publish("tokens", { word = word })) end
        return #words
    end
    -- Fails after three words, and begins with the first again.
    function F.anew(words)
        for i, word in ipairs(words) do
            assert(stream.publish("tokens", word))
            if i == 3 and activity.info().attempt == 1 then return nil, errors.new({ kind = "OutOfMemory", message = "out of memory", retryable = true }) end
        end
        return #words
    end
    -- Fails after three words, and goes on with the third.
    function F.resumes(words)
        local info = activity.info()
        for i = info.heartbeat_details or 1, #words do
            activity.heartbeat(i)
            assert(stream.publish("tokens", words[i], { position = i }))
            if i == 3 and info.attempt == 1 then return nil, errors.new({ kind = "OutOfMemory", message = "out of memory", retryable = true }) end
        end
        return #words
    end
    function F.tell(run) return stream.publish("news", "hello", { run = run }) end
    function F.wrong()
        local found = {}
        for _, arguments in ipairs({ { "", 1 }, { ("x"):rep(129), 1 }, { "t", ("x"):rep(70000) }, { "t", 1, { position = -1 } },
            { "t", 1, { position = 1.5 } }, { "t", 1, { run = "" } }, { "t", 1 } }) do
            local _, err = stream.publish(table.unpack(arguments))
            found[#found + 1] = err:kind() .. ": " .. err:message()
        end
        return found
    end
    return F
    """,
    "stream_functions.py": """
    from evermoon import stream

    def speak(words):
        for word in words:
            stream.publish("tokens", {"word": word})
        return len(words)

    async def aspeak(words):
        return speak(words)
    """,
}
REGISTRY = """
namespace: web
entries:
  - {{name: temporal, kind: temporal.client, address: "localhost:1"}}
  - {{name: worker, kind: temporal.worker, client: temporal, task_queue: {queue}}}
  - {{name: server, kind: http.service, addr: "127.0.0.1:0"}}
  - {{name: answer, kind: workflow.lua, source: file://answer.lua, modules: [funcs], meta: {{temporal: {{workflow: {{worker: worker}}}}}}}}
  - {{name: tell, kind: function.lua, source: file://functions.lua, method: tell, modules: [stream, activity]}}
  - {{name: wrong, kind: function.lua, source: file://functions.lua, method: wrong, modules: [stream, activity]}}
  - {{name: news, kind: security.policy, policy: {{actions: "stream.publish", resources: "answer-*", effect: allow}}}}
{functions}
{store}
"""
LUA = "{{name: {}, kind: function.lua, source: file://functions.lua, method: {}, modules: [stream, activity]"
PYTHON = '{{name: py.{}, kind: function.py, source: "py://stream_functions:{}"'
ACTIVITY = ', meta: {temporal: {activity: {worker: worker}}, options: {"activity.retry_policy": {initial_interval: 10ms, maximum_attempts: 3}}}}'

SQLITE = """
  - {name: db, kind: db.sql.sqlite, file: streams.db}
  - {name: streams, kind: stream.sql, database: db}
"""
POSTGRES = """
  - {name: db, kind: db.sql.postgres, url: "postgres_url"}
  - {name: streams, kind: stream.sql, database: db, table: TABLE}
"""
REDIS = "  - {name: streams, kind: stream.redis, url: redis_url}"
STORES = {
    "memory": "  - {name: streams, kind: stream.memory}",
    "sqlite": SQLITE,
    "postgres": POSTGRES,
    "redis": REDIS,
}
WORDS = ["It", "was", "a", "dark", "night"]


def write(directory: Path, store: str = "", queue: str = "") -> Path:
    for name, text in SCRIPTS.items():
        (directory / name).write_text(textwrap.dedent(text))
    functions = [LUA.format(name, name) + ACTIVITY for name in ("speak", "anew", "resumes")]
    functions += [PYTHON.format(name, name) + ACTIVITY for name in ("speak", "aspeak")]
    registry = directory / "registry.yaml"
    listed = "\n".join(f"  - {function}" for function in functions)
    queue = queue or f"streams-{uuid.uuid4().hex[:8]}"
    registry.write_text(REGISTRY.format(queue=queue, functions=listed, store=store))
    return registry


def store_of(kind: str, request: pytest.FixtureRequest) -> str:
    """The entries of a store; its server runs."""
    text = STORES[kind].replace("TABLE", f"stream_{uuid.uuid4().hex[:8]}")
    for fixture in ("postgres_url", "redis_url"):
        if fixture in text:
            text = text.replace(fixture, request.getfixturevalue(fixture))
    return text


@asynccontextmanager
async def serving(registry: Path, server: DevServer, **options: Any) -> AsyncIterator[Site]:
    async with (
        Runtime.open(registry, temporal=server.address, http=True, environ={}, **options) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Site(runtime, session)


@pytest.fixture(params=STORES)
async def web(request: pytest.FixtureRequest, tmp_path: Path, temporal_server: DevServer) -> AsyncIterator[Site]:
    async with serving(write(tmp_path, store_of(request.param, request)), temporal_server) as site:
        yield site


async def begun(web: Site, *args: Any) -> str:
    """The path of a run that has been told to end when it has heard its answer."""
    run = (await web.runtime.start("web:answer", *args)).id
    await web.runtime.send(run, "go")
    return f"/api/v1/runs/{run}"


async def named(events: AsyncIterator[Heard], name: str) -> Heard:
    """The next event of that name."""
    async for event in events:
        if event.name == name:
            return event
    raise AssertionError(f"the run ended without {name}")


async def until(web: Site, run: str, name: str) -> None:
    async with web.session.get(f"{web.url}/api/v1/runs/{run}/events") as response:
        await named(blocks(response), name)


def told(events: Sequence[Heard], name: str = "stream") -> list[Any]:
    return [event.data["data"] for event in events if event.name == name]


def are_rising(events: Sequence[Heard]) -> bool:
    ids = [Cursor.parse(event.id) for event in events]
    return all(one < other for one, other in itertools.pairwise(ids))


@pytest.mark.parametrize("function", ["speak", "py.speak", "py.aspeak"])
async def test_who_follows_a_run_hears_what_its_activity_publishes(web: Site, function: str) -> None:
    run = await begun(web, WORDS, function)
    live = await heard(web, run)
    names = [event.name for event in live]
    assert told(live) == [{"word": word} for word in WORDS]
    assert names[0] == "started"
    assert names[-1] == "completed"
    assert names.index("step.scheduled") < names.index("stream") < names.index("step.completed")
    assert are_rising(live)
    first = next(event for event in live if event.name == "stream")
    about = {"name": "tokens", "seq": 1, "activity": f"web:{function}", "activity_id": "1", "attempt": 1, "position": 1}
    assert about.items() <= first.data.items()
    assert await heard(web, run) == live  # who comes late
    for number, event in enumerate(live[:-1]):
        assert await heard(web, run, event.id) == live[number + 1 :]
    assert "tokens" not in str(await web.runtime.history(run.rpartition("/")[2]))


async def test_an_attempt_that_begins_anew_says_so(web: Site) -> None:
    events = await heard(web, await begun(web, WORDS, "anew"))
    published = [event for event in events if event.name.startswith("stream")]
    assert [event.name for event in published] == ["stream"] * 3 + ["stream.restarted"] + ["stream"] * 5
    assert published[3].data["attempt"] == 2
    assert told(published) == WORDS[:3] + WORDS


async def test_an_attempt_that_says_where_it_goes_on_repeats_nothing(web: Site) -> None:
    events = await heard(web, await begun(web, WORDS, "resumes"))
    assert [event.name for event in events if event.name.startswith("stream")] == ["stream"] * 5
    assert told(events) == WORDS
    assert [event.data["attempt"] for event in events if event.name == "stream"] == [1, 1, 1, 2, 2]


async def test_a_function_that_no_run_called_publishes_to_the_run_it_names(web: Site) -> None:
    run = (await web.runtime.start("web:answer", WORDS)).id
    async with web.session.get(f"{web.url}/api/v1/runs/{run}/events") as response:
        stream = blocks(response)
        await named(stream, "step.completed")
        assert await web.runtime.call("web:tell", run) is True
        news = await anext(stream)
        assert (news.name, news.data["name"], news.data["data"]) == ("stream", "news", "hello")
        assert (news.data["by"], "activity" in news.data) == ("web:tell", False)
        await web.runtime.send(run, "go")
        assert [event.name async for event in stream] == ["signal", "completed"]


async def test_what_cannot_be_published_is_refused(web: Site) -> None:
    found = await web.runtime.call("web:wrong")
    assert [text.partition(":")[0] for text in found] == ["Invalid"] * 7
    assert [text.partition(": ")[2][:30] for text in found] == [
        "the name of a stream is empty",
        "the name of a stream is 1 to 1",
        "what is published has at most ",
        "a position is a whole number f",
        "a position is a whole number f",
        "run is the id or PID of a run",
        "no run called this: say to whi",
    ]


async def test_what_is_published_is_counted(web: Site) -> None:
    await heard(web, await begun(web, WORDS, "speak"))
    metrics = (await web.get("/metrics")).text
    assert f"evermoon_stream_events_total {len(WORDS)}.0" in metrics
    assert "evermoon_stream_events_lost_total 0.0" in metrics


AWAY = """
  - {name: db, kind: db.sql.postgres, url: "postgresql://nobody@127.0.0.1:1/none"}
  - {name: streams, kind: stream.sql, database: db}
"""


async def test_publishing_fails_nobody_when_the_store_is_away_and_says_so_once(
    tmp_path: Path, temporal_server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(write(tmp_path, AWAY), temporal_server) as web:
        for _ in range(2):
            assert await web.runtime.result((await begun(web, WORDS)).rpartition("/")[2]) == len(WORDS)
        said = [record.message for record in caplog.records if record.name == "evermoon.stream"]
        assert [line for line in said if "what is published waits for it" in line] == said
        assert len(said) == 1
    assert web.runtime._streams.queue.counts.lost == 2 * len(WORDS)
    assert f"{2 * len(WORDS)} published events are lost" in caplog.text


async def test_a_scope_is_asked_about_streams(web: Site) -> None:
    run = (await web.runtime.start("web:answer", WORDS)).id
    with pytest.raises(Error) as refused:
        await web.runtime.call("web:tell", run, scope=["web:nothing"])
    assert refused.value.kind == PERMISSION_DENIED
    assert run in refused.value.message
    assert await web.runtime.call("web:tell", run, scope=["web:news"]) is True
    await web.runtime.terminate(run)


async def test_who_wants_only_some_streams_hears_those_and_the_end(web: Site) -> None:
    run = (await web.runtime.start("web:answer", WORDS)).id
    path = f"{web.url}/api/v1/runs/{run}/events"
    await until(web, run, "step.completed")
    await web.runtime.call("web:tell", run)
    async with web.runtime.follow(run, wait=False) as feed:  # what a function published is there when it has ended
        assert [event.data["data"] async for event in feed if event.data.get("name") == "news"] == ["hello"]
    await web.runtime.send(run, "go")

    async def names(query: str) -> list[str]:
        async with web.session.get(f"{path}?{query}") as response:
            assert response.status == 200
            return [block.data.get("name", block.name) async for block in blocks(response) if block.name]

    assert await names("only=stream") == ["tokens"] * 5 + ["news", "completed"]
    assert await names("only=stream&names=news") == ["news", "completed"]
    assert await names("only=stream&names=news,tokens") == ["tokens"] * 5 + ["news", "completed"]
    assert [name for name in await names("names=news") if name in ("tokens", "news")] == ["news"]
    assert "started" in await names("names=news")
    assert (await web.get(f"/api/v1/runs/{run}/events?only=history")).status == 400


HEARTBEATS = """
from evermoon import current, stream


def sync(words):
    return said(words)


async def asynchronous(words):
    return said(words)


def said(words):
    activity = current().activity
    for number in range(activity.info.get("heartbeat_details") or 0, len(words)):
        stream.publish("tokens", words[number], position=number)
        activity.heartbeat(number + 1)
        if number == 2 and activity.info["attempt"] == 1:
            raise MemoryError("out of memory")
    return len(words)
"""


@pytest.mark.parametrize("function", ["sync", "asynchronous"])
async def test_a_python_attempt_goes_on_where_its_last_heartbeat_said(
    tmp_path: Path, temporal_server: DevServer, function: str
) -> None:
    (tmp_path / "stream_heartbeats.py").write_text(HEARTBEATS)
    entry = f"  - {{name: beats, kind: function.py, source: 'py://stream_heartbeats:{function}'{ACTIVITY}"
    async with serving(write(tmp_path, entry), temporal_server) as web:
        events = await heard(web, await begun(web, WORDS, "beats"))
        assert told(events) == WORDS
        assert [event.data["attempt"] for event in events if event.name == "stream"] == [1, 1, 1, 2, 2]
