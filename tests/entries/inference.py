"""The inference example as several processes, and those who follow its runs, for its tests."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from openai import AsyncOpenAI

from entries.demo.worker import ROOT
from tests.cli.shell import running

DIRECTORY = ROOT / "entries" / "inference"
MODEL = "moonlight-1"

Event = dict[str, Any]


@dataclass(frozen=True)
class Process:
    """One `evermoon serve` of a part of the registry."""

    popen: subprocess.Popen[str]
    url: str

    @property
    def pid(self) -> int:
        return self.popen.pid

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self.popen.returncode = 0  # this end was meant


@dataclass(frozen=True)
class Cluster:
    """What its processes share."""

    directory: Path
    environ: dict[str, str]

    @contextmanager
    def serve(self, *part: str) -> Iterator[Process]:
        log = f"{'-'.join(part).strip('-')}.log"
        words = ["serve", *part, "--registry", str(DIRECTORY)]
        with running(self.directory, *words, env=self.environ, log=log) as (popen, told):
            yield Process(popen, told["http"].get("inference:http", ""))


def openai(url: str, **options: Any) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="none", **{"max_retries": 0, **options})


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


async def events(url: str, run: str, after: str | None = None, **query: str) -> AsyncGenerator[Event, None]:
    """The run's events over HTTP, from the one after `after` on, each with its `id` and `event`, until the stream ends."""
    headers = {"Last-Event-ID": after} if after else {}
    address = f"{url}/api/v1/runs/{run}/events"
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as client,
        client.get(address, params=query, headers=headers) as response,
    ):
        event: Event = {}
        async for line in response.content:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "data":
                yield {**event, **json.loads(value)}
            elif field in ("id", "event"):
                event[field] = value


async def until(url: str, run: str, name: str, times: int) -> None:
    """Returns when an event has happened so often."""
    async with aclosing(events(url, run)) as feed:
        async for event in feed:
            times -= event["event"] == name
            if not times:
                return
    raise AssertionError(f"{run} ended before that: {name}")


async def every(url: str, run: str, **query: str) -> list[Event]:
    return [event async for event in events(url, run, **query)]


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as client:
        while True:
            async with client.get(url) as response:
                if response.status not in (503, 504):  # a busy host, which may be asked again
                    return await response.json(content_type=None)
            await asyncio.sleep(0.1)


async def post(url: str, body: Any) -> Any:
    async with aiohttp.ClientSession() as client, client.post(url, json=body) as response:
        assert response.status < 300, await response.text()
        return await response.json(content_type=None)
