"""The registry of this folder, served by a real worker and over HTTP."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from temporalio.client import Client

from runtime import Error, Runtime

REGISTRY = Path(__file__).parent / "registry.yaml"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    runtime: Runtime
    client: Client
    session: aiohttp.ClientSession

    async def start(self, name: str, *args: Any) -> str:
        """The id of a new run."""
        return (await self.runtime.start(f"b:{name}", *args, id=f"{name}-{uuid.uuid4()}")).id

    async def run(self, name: str, *args: Any) -> Any:
        return await self.runtime.result(await self.start(name, *args), timeout=300.0)

    async def failure(self, run: str) -> Error:
        """What a run failed with."""
        try:
            value = await self.runtime.result(run, timeout=300.0)
        except Error as error:
            return error
        raise AssertionError(f"no failure, but {value!r}")

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        [url] = self.runtime.urls.values()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        async with self.session.request(method, f"{url}/api/v1{path}", data=body, headers=headers) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    async def result(self, run: str) -> Answer:
        return await self.ask("GET", f"/runs/{run}/result?wait=60s")

    async def post(self, name: str, body: bytes) -> Answer:
        """Starts a run over HTTP; the answer to asking for its result."""
        started = await self.ask("POST", f"/workflows/b:{name}", body)
        assert started.status == 202, started.body
        return await self.result(started.json["id"])

    async def events(self, run: str, kind: str) -> list[dict[str, Any]]:
        """The attributes of the events of a type."""
        head, *rest = kind.lower().split("_")
        name = f"{head}{''.join(part.capitalize() for part in rest)}EventAttributes"
        return [event[name] for event in (await self.runtime.history(run))["events"] if name in event]
