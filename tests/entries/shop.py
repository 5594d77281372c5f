"""A client of the example's running services, for its tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from entries.services.supervisor import Service


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@dataclass(frozen=True)
class Answer:
    status: int
    repeated: bool
    json: Any


@dataclass(frozen=True)
class Shop:
    """A client of the running services."""

    running: dict[str, Service]
    client: aiohttp.ClientSession

    async def post(self, service: str, path: str, body: Any, key: str | None, *, method: str = "POST") -> Answer:
        headers = {"X-Idempotency-Key": key} if key is not None else {}
        url = self.running[service].url + path
        async with self.client.request(method, url, json=body, headers=headers) as response:
            repeated = response.headers.get("Idempotency-Replayed") == "true"
            return Answer(response.status, repeated, await response.json(content_type=None))

    async def get(self, service: str, path: str, **query: str) -> Any:
        async with self.client.get(self.running[service].url + path, params=query) as response:
            return await response.json(content_type=None)
