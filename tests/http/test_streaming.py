"""Answers that are sent while their handler runs, and bodies that are read while they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from tests.http.serving import Serving, chunk, entries, serving
from tests.waiting import eventually

HANDLERS = """
    function H.events()
        local res, go = http.response(), process.listen("go")
        res:set_header("X-Kind", "live")
        for n = 1, 3 do
            assert(not res:write_event({ name = "tick", data = { n = n }, id = n }))
            local value, ok = go:receive()
        end
    end

    function H.chunks()
        local res, go = http.response(), process.listen("go")
        res:set_transfer(http.TRANSFER.CHUNKED)
        res:set_content_type("text/plain")
        res:write("one ")
        res:flush()
        print(tostring(res:set_status(500)))
        go:receive()
        res:write("two")
    end

    function H.breaks()
        local res = http.response()
        res:write("half")
        res:flush()
        error("broke")
    end

    function H.waits()
        local value, ok, canceled = process.listen("never"):receive()
        print(canceled and canceled:kind() or "not canceled")
    end

    function H.pours()
        local res = http.response()
        local part = string.rep("x", 65536)
        for _ = 1, 100000 do
            res:write(part)
            local err = res:flush()
            if err then print(err:kind()) return nil, err end
        end
    end

    function H.counts()
        local stream, total, most = http.request():stream(), 0, 0
        while true do
            local part, err = stream:read(65536)
            if err then print('broken off', err:kind()) return nil, err end
            if not part then break end
            total, most = total + #part, math.max(most, #part)
        end
        return { total = total, most = most, declared = http.request():content_length() }
    end

    function H.whole()
        local req = http.request()
        local body, err = req:body()
        if not body then return nil, err end
        return { length = #body, again = #req:body(), last = body:byte(-1), has = req:has_body() }
    end

    function H.twice()
        local req = http.request()
        req:stream():read(1)
        local body, err = req:body()
        return { err = err:kind() }
    end

    function H.ignores() return { ok = true } end
"""
ENTRIES = entries(
    """
    GET /events events
    GET /chunks chunks
    GET /breaks breaks
    GET /waits waits
    GET /pours pours
    POST /counts counts
    POST /whole whole
    POST /twice twice
    POST /ignores ignores
    """,
    service="max_body: 16MiB",
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, ENTRIES, HANDLERS) as site:
        yield site


async def test_events_reach_the_client_while_the_handler_runs(site: Serving) -> None:
    async with site.session.get(site.url + "/events") as response:
        assert (response.status, response.headers["X-Kind"]) == (200, "live")
        assert response.headers["Content-Type"].startswith("text/event-stream")
        for number in (1, 2, 3):
            assert await _event(response) == f'id: {number}\nevent: tick\ndata: {{"n":{number}}}\n\n'
            assert site.host.running
            await site.tell("go")
        assert await response.read() == b""


async def _event(response: aiohttp.ClientResponse) -> str:
    return (await response.content.readuntil(b"\n\n")).decode()


async def test_a_flush_sends_what_was_written_and_settles_the_head(site: Serving) -> None:
    async with site.session.get(site.url + "/chunks") as response:
        assert await response.content.readexactly(4) == b"one "
        await eventually(lambda: site.lines.seen)
        assert "settled" in site.lines.seen[0][1]
        await site.tell("go")
        assert (response.status, await response.read()) == (200, b"two")


async def test_head_of_a_stream_is_its_head(site: Serving) -> None:
    reader, writer = await site.connect()
    writer.write(b"HEAD /chunks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await eventually(lambda: site.lines.seen)
    await site.tell("go")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert (b" 200 " in head, b"Content-Type: text/plain" in head, body) == (True, True, b"")


async def test_a_failure_in_the_middle_breaks_the_connection_off(site: Serving) -> None:
    with pytest.raises(aiohttp.ClientError):
        await site.get("/breaks")


async def test_a_client_that_goes_away_cancels_its_handler(site: Serving) -> None:
    _, writer = await site.connect()
    writer.write(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await eventually(lambda: site.host.running)
    writer.close()
    await eventually(lambda: not site.host.running)
    assert [message for _, message, _ in site.lines.seen] == ["Canceled"]


async def test_a_client_that_reads_slowly_holds_its_handler_back_and_no_memory(site: Serving) -> None:
    reader, writer = await site.connect()
    writer.write(b"GET /pours HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in await reader.readline()
    writer.close()  # six gigabytes would follow
    await eventually(lambda: not site.host.running)


async def test_a_client_that_takes_nothing_of_a_stream_is_given_up(tmp_path: Path) -> None:
    text = ENTRIES.replace("max_body: 16MiB", "timeouts: {idle: 200ms}")
    async with serving(tmp_path, text, HANDLERS) as site:
        _, writer = await site.connect()
        writer.write(b"GET /pours HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await eventually(lambda: site.lines.seen)
        assert [message for _, message, _ in site.lines.seen] == ["Canceled"]
        writer.close()


async def test_a_large_body_is_read_in_parts(site: Serving) -> None:
    answer = await site.ask("POST", "/counts", data=BytesIO(b"x" * 12_000_000))
    assert answer.json == {"total": 12_000_000, "most": 65536, "declared": 12_000_000}


async def test_a_body_of_unknown_length_is_read_in_parts(site: Serving) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    answer = await site.ask("POST", "/counts", data=parts())
    assert (answer.json["total"], answer.json["declared"]) == (1_000_000, -1)


async def test_a_large_body_can_be_had_whole(site: Serving) -> None:
    answer = await site.ask("POST", "/whole", data=BytesIO(b"x" * 1_000_000 + b"\xff"))
    assert answer.status == 200, answer.text
    assert (answer.json["length"], answer.json["again"], answer.json["last"]) == (1_000_001, 1_000_001, 255)


async def test_a_body_is_a_stream_or_a_whole_but_not_both(site: Serving) -> None:
    assert (await site.ask("POST", "/twice", data=BytesIO(b"x" * 1_000_000))).json == {"err": "Invalid"}


async def test_a_handler_may_leave_a_body_unread(site: Serving) -> None:
    assert (await site.ask("POST", "/ignores", data=BytesIO(b"x" * 4_000_000))).json == {"ok": True}
    assert (await site.ask("POST", "/ignores", data=b"x")).json == {"ok": True}


async def test_a_body_that_turns_out_too_large_is_413(site: Serving) -> None:
    for path in ("/counts", "/whole"):
        reader, writer = await site.connect()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(17):
            writer.write(chunk(b"x" * 1024 * 1024))
        assert b" 413 " in await reader.readline()
        writer.close()


async def test_a_body_that_says_it_is_too_large_is_413_before_it_is_sent(site: Serving) -> None:
    reader, writer = await site.connect()
    writer.write(b"POST /ignores HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
    assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_body_that_ends_too_soon_fails_its_reader(site: Serving) -> None:
    _, writer = await site.connect()
    writer.write(b"POST /counts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500_000)
    await eventually(lambda: site.host.running)
    writer.close()
    await eventually(lambda: not site.host.running)
    assert [message for _, message, _ in site.lines.seen] == ["broken off\tCanceled"]


QUICK = "timeouts: {write: 1s, idle: 9s}, max_body: 16MiB"
IMPATIENT = "timeouts: {read: 100ms, idle: 9s}, max_body: 16MiB"


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Serving]:
    """The same with little time for an answer."""
    async with serving(tmp_path, ENTRIES.replace("max_body: 16MiB", QUICK), HANDLERS) as site:
        yield site


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Serving]:
    """The same with little time for a request."""
    async with serving(tmp_path, ENTRIES.replace("max_body: 16MiB", IMPATIENT), HANDLERS) as site:
        yield site


async def test_a_handler_that_takes_too_long_is_504(hasty: Serving) -> None:
    answer = await hasty.get("/waits")
    assert (answer.status, answer.json["kind"]) == (504, "Timeout")


async def test_a_stream_that_takes_too_long_is_broken_off(hasty: Serving) -> None:
    with pytest.raises(aiohttp.ClientError):
        await hasty.get("/chunks")


@pytest.mark.parametrize("arrived", [b"x", b"x" * 500_000], ids=["at once", "as a stream"])
async def test_a_body_that_comes_too_slowly_is_408(impatient: Serving, arrived: bytes) -> None:
    reader, writer = await impatient.connect()
    writer.write(b"POST /counts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + arrived)
    assert b" 408 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /ignores HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_a_head_that_comes_too_slowly_is_408(impatient: Serving, sent: bytes) -> None:
    assert (await impatient.raw(sent)).startswith(b"HTTP/1.1 408 ")


async def test_a_second_head_on_a_connection_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """As an idle connection is: what has come of the head is no request."""
    definitions = ENTRIES.replace("max_body: 16MiB", "timeouts: {read: 9s, idle: 200ms}, max_body: 16MiB")
    async with serving(tmp_path, definitions, HANDLERS) as site:
        first = b"GET /ignores HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answers = await site.raw(first + b"GET /ignores HTTP/1.1\r\nX-Slow: ")
        assert answers.count(b"HTTP/1.1 ") == 1


async def test_half_sent_heads_hold_up_nobody_else(tmp_path: Path) -> None:
    async with serving(tmp_path, ENTRIES, HANDLERS) as site:
        halves = [await site.connect() for _ in range(300)]
        for _, writer in halves:
            writer.write(b"POST /counts HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        assert (await site.ask("POST", "/counts", data=b"abc")).status == 200
        for _, writer in halves:
            writer.close()


@pytest.mark.parametrize("line", [b"X-More: " + b"x" * 4000 + b"\r\n", b"a: b\r\n"], ids=["long", "many"])
async def test_a_head_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path, ENTRIES, HANDLERS) as site:
        reader, writer = await site.connect()
        writer.write(b"GET /ignores HTTP/1.1\r\nHost: localhost\r\n")
        sent = 0
        with suppress(ConnectionError):
            while not writer.is_closing() and not reader.at_eof() and sent < 64 * 1024 * 1024:
                writer.write(line * (100_000 // len(line)))
                sent += 100_000
                await writer.drain()
        assert sent < 64 * 1024 * 1024
        writer.close()
        assert (await site.ask("POST", "/counts", data=b"abc")).status == 200
