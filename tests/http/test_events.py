"""Server-Sent Events of runs, over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.contracts import Cursor, RunEvent
from runtime.http import Backend, HttpOptions, HttpServer, events
from runtime.lua.program import Programs
from runtime.process.host import ProcessHost
from runtime.temporal.dev_server import DevServer
from tests.http import site
from tests.http.serving import entries, load
from tests.http.site import Site
from tests.waiting import eventually


@dataclass
class Heard:
    """One block of a stream: an event, a comment, or how soon to come back."""

    fields: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.fields.get("event", "")

    @property
    def id(self) -> str:
        return self.fields["id"]

    @property
    def data(self) -> Any:
        return json.loads(self.fields["data"])


async def blocks(response: aiohttp.ClientResponse) -> AsyncIterator[Heard]:
    fields: dict[str, str] = {}
    async for line in response.content:
        name, colon, value = line.decode().rstrip("\n").partition(":")
        if colon:
            fields[name] = value.strip()
        else:
            yield Heard(fields)
            fields = {}


async def heard(web: Site, run: str, after: str | None = None) -> list[Heard]:
    headers = {"Last-Event-ID": after} if after else {}
    async with web.session.get(f"{web.url}{run}/events", headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
        return [block async for block in blocks(response) if block.name]


@pytest.fixture
async def run(web: Site) -> AsyncIterator[str]:
    """The path of a run that waits for the message `go`."""
    path = f"/api/v1/runs/{await web.start('waiting')}"
    yield path
    await web.post(f"{path}/terminate")


async def test_a_client_hears_what_happens_while_it_happens(web: Site, run: str) -> None:
    assert (await web.get(run)).json["links"]["events"] == f"{run}/events"
    async with web.session.get(f"{web.url}{run}/events") as response:
        stream = blocks(response)
        assert 1000 <= int((await anext(stream)).fields["retry"]) <= 3000
        started = await anext(stream)
        assert (started.name, started.id, started.data["type"]) == ("started", "1.0", "web:waiting")
        await web.post(f"{run}/signals/go", 1)
        signal, completed = await anext(stream), await anext(stream)
        assert (signal.name, signal.data["topic"]) == ("signal", "go")
        assert (completed.name, completed.data["result"]) == ("completed", {"got": 1, "name": "unnamed"})
        assert [block async for block in stream] == []  # the server closed


async def test_who_comes_back_hears_what_he_missed(web: Site, run: str) -> None:
    await web.post(f"{run}/signals/go", 1)
    whole = await heard(web, run)
    assert [event.name for event in whole] == ["started", "signal", "completed"]
    assert await heard(web, run, whole[0].id) == whole[1:]
    answer = await web.get(f"{run}/events?last_event_id={whole[1].id}")
    assert "event: completed" in answer.text
    assert "event: signal" not in answer.text
    assert (await web.get(f"{run}/events", headers={"Last-Event-ID": whole[-1].id})).status == 204
    [reset, *again] = await heard(web, run, "900000.0")
    assert (reset.name, "id" in reset.fields, again) == ("reset", False, whole)


async def test_another_host_tells_the_same(web: Site, run: str, temporal_server: DevServer, tmp_path: Path) -> None:
    await web.post(f"{run}/signals/go", 1)
    whole = await heard(web, run)
    registry = site.write(tmp_path)
    async with (
        Runtime.open(registry, temporal=temporal_server.address, http=True, workers=False, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        assert await heard(Site(runtime, session), run) == whole
        assert await heard(Site(runtime, session), run, whole[0].id) == whole[1:]


async def test_a_run_that_is_not_there_and_a_cursor_that_is_none(web: Site, run: str) -> None:
    assert (await web.get("/api/v1/runs/nobody/events")).status == 404
    for text in ("7", "x.y", "-1.0"):
        refused = await web.get(f"{run}/events", headers={"Last-Event-ID": text})
        assert (refused.status, refused.json["details"]) == (400, {"parameter": "last_event_id"})
    head = await web.ask("HEAD", f"{run}/events")
    assert (head.status, head.headers["Content-Type"], head.text) == (200, "text/event-stream", "")


def followers(web: Site, run: str) -> int | None:
    """How many share the one poll of a run's history; None when nobody follows it."""
    tails = web.runtime._runs._feeds._tails
    found = [tail.readers for (_, id), tail in tails.items() if id == run.rpartition("/")[2]]
    assert len(found) < 2
    return found[0] if found else None


async def test_one_poll_serves_all_who_follow(web: Site, run: str) -> None:
    following = [asyncio.create_task(heard(web, run)) for _ in range(20)]
    await eventually(lambda: followers(web, run), lambda count: count == 20)
    await web.post(f"{run}/signals/go", 1)
    answers = await asyncio.gather(*following)
    assert all(answer == answers[0] for answer in answers)
    await eventually(lambda: followers(web, run), lambda count: count is None)


async def test_who_goes_away_is_forgotten(web: Site, run: str) -> None:
    response = await web.session.get(f"{web.url}{run}/events")
    async for block in blocks(response):
        if block.name == "started":
            break
    assert followers(web, run) == 1
    response.close()
    await eventually(lambda: followers(web, run), lambda count: count is None)


class Pouring:
    """The events of a run that never ends, each large."""

    is_over = False

    def __init__(self) -> None:
        self.poured = 0
        self.left = asyncio.Event()

    @asynccontextmanager
    async def follow(self, run: str, after: Cursor | None = None, *, wait: bool = True) -> AsyncIterator[Pouring]:
        try:
            yield self
        finally:
            self.left.set()

    async def __aiter__(self) -> AsyncIterator[RunEvent]:
        while True:
            self.poured += 1
            yield RunEvent(Cursor(self.poured), "signal", {"topic": "x" * 65536})
            await asyncio.sleep(0)


async def test_who_reads_nothing_is_disconnected_and_nothing_is_kept_for_him(tmp_path: Path) -> None:
    text = entries("GET /plain one", service="timeouts: {idle: 300ms}")
    registry = load(tmp_path, text, "function H.one() return 1 end")
    host, pouring = ProcessHost(registry, Programs(registry)), Pouring()
    workflows: Any = pouring
    server = HttpServer(Backend(registry, host, workflows), HttpOptions(grace=1))
    await server.start()
    try:
        port = int(server.urls["web:server"].rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /api/v1/runs/endless/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        await pouring.left.wait()
        assert pouring.poured * 65536 < 64 * 1024 * 1024  # what sockets buffer, not all there is
        try:
            rest = await reader.read()
        except ConnectionResetError:
            rest = b""
        assert not rest.endswith(b"0\r\n\r\n")  # broken off, not ended
        writer.close()
    finally:
        await server.stop()
        await host.close(0)


async def test_silence_is_broken_by_signs_of_life_and_ends_with_the_server(
    temporal_server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events.RunEvents.__init__, "__defaults__", (0.05,))
    registry = site.write(tmp_path)
    async with aiohttp.ClientSession() as session:
        async with Runtime.open(registry, temporal=temporal_server.address, http=True, environ={}) as runtime:
            web = Site(runtime, session)
            run = f"/api/v1/runs/{await web.start('waiting')}"
            response = await session.get(f"{web.url}{run}/events")
            stream = blocks(response)
            signs = 0
            async for block in stream:
                signs += "" in block.fields
                if signs == 3:
                    break
        assert {block.name async for block in stream} <= {""}  # it ended without an end of the run
        response.close()
