"""docs/streaming.md: its project answers as the page shows."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from runtime.app.runtime import Runtime
from runtime.temporal.dev_server import DevServer
from tests.docs.pages import blocks, matches


def written(directory: Path) -> Path:
    for block in blocks("docs/streaming.md"):
        if block.info:
            (directory / block.info).write_text(block.text.replace("127.0.0.1:8080", "127.0.0.1:0"))
    return directory / "registry.yaml"


async def test_the_project_of_the_page_streams_as_it_shows(
    tmp_path: Path, temporal_server: DevServer, redis_url: str
) -> None:
    [session] = [block for block in blocks("docs/streaming.md") if block.language == "text"]
    _, started, followed = session.text.split("$ curl ")
    environ = {"REDIS_URL": redis_url}
    async with (
        Runtime.open(written(tmp_path), temporal=temporal_server.address, http=True, environ=environ) as runtime,
        aiohttp.ClientSession(next(iter(runtime.urls.values()))) as client,
    ):
        async with client.post("/api/v1/workflows/app:answer?id=answer-7", json="It was a dark night") as answer:
            assert matches(started.partition("\n")[2], await answer.text())
        async with client.get("/api/v1/runs/answer-7/events?only=stream") as answer:
            assert matches(followed.partition("\n")[2], await answer.text())


def test_no_block_is_left_out() -> None:
    assert [str(block) for block in blocks("docs/streaming.md") if block.language != "text" and not block.info] == []
