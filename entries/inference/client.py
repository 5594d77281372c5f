"""The pipeline as its clients see it: OpenAI's endpoint, and the events of runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from entries.demo.shop import expect

MODEL = "moonlight-1"
POLL = 0.2
BUSY = (503, 504)  # a run whose worker has just been lost

Event = dict[str, Any]


class Client:
    """Asks whichever process `url` says at the moment."""

    def __init__(self, session: aiohttp.ClientSession, url: Callable[[], str]) -> None:
        self._session = session
        self._url = url

    async def ask(self, prompt: str, **more: Any) -> dict[str, Any]:
        """The whole answer."""
        async with self._session.post(self._url() + "/v1/chat/completions", json=_question(prompt, more)) as response:
            answer = await response.json()
            expect(f"an answer to {prompt!r}: {answer}", response.status, 200)
            return dict(answer)

    async def stream(self, prompt: str, key: str, after: str | None = None, **more: Any) -> AsyncIterator[Event]:
        """The answer part by part; behind the part `after` if there is one. It breaks off with an aiohttp.ClientError."""
        headers = {"Idempotency-Key": key, **({"Last-Event-ID": after} if after else {})}
        body = _question(prompt, {**more, "stream": True})
        async with self._session.post(self._url() + "/v1/chat/completions", json=body, headers=headers) as response:
            expect(f"an answer to {prompt!r}", response.status, 200)
            async for event in _events(response):
                yield event

    async def events(self, run: str, **query: str) -> AsyncIterator[Event]:
        """What happens to a run, from its beginning to its end."""
        async with self._session.get(f"{self._url()}/api/v1/runs/{run}/events", params=query) as response:
            async for event in _events(response):
                yield event

    async def start(self, entry: str, input: Any) -> str:
        async with self._session.post(f"{self._url()}/api/v1/workflows/{entry}", json=input) as response:
            answer = await response.json()
            expect(f"a start of {entry}: {answer}", response.status, 202)
            return str(answer["id"])

    async def cancel(self, run: str, reason: str) -> None:
        async with self._session.post(f"{self._url()}/api/v1/runs/{run}/cancel", json={"reason": reason}) as response:
            expect(f"the cancellation of {run}: {await response.text()}", response.status, 202)

    async def until(self, run: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The run's document, as soon as it is as wished."""
        while True:
            async with self._session.get(f"{self._url()}/api/v1/runs/{run}") as response:
                if response.status not in BUSY and holds(found := await response.json()):
                    return dict(found)
            await asyncio.sleep(POLL)


def _question(prompt: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **more}


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    name = ""
    async for line in response.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data" and value != "[DONE]":
            yield {"event": name, **json.loads(value)}
