"""The project of this folder, served: workers, HTTP, and a worker of somebody's own with the plugin on a queue of its own."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from temporalio.client import Client
from temporalio.worker import Worker

from runtime import Error, LuaPlugin, Runtime
from runtime.http import HttpOptions

PROJECT = Path(__file__).parent / "project"
#: The scope of somebody who may look at runs and go through the doors, and start nothing.
READERS = "p:readers"
_KEY = "a key for tests that is 32 bytes or more"


@dataclass
class Site:
    """What the doors lead to. `directory` has the project's files, `environ` what its placeholders see."""

    directory: Path
    environ: dict[str, str]
    runtime: Runtime
    client: Client
    session: aiohttp.ClientSession

    @property
    def queue(self) -> str:
        return self.environ["QUEUE"]

    @property
    def plugin_queue(self) -> str:
        """The queue of the worker that has the plugin."""
        return f"{self.queue}-plugin"

    async def post(self, path: str, body: Any, scope: str | None = None) -> Any:
        """What a service answers; raises the problem that it answers with as an error."""
        [url] = self.runtime.urls.values()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_token(scope)}"}
        async with self.session.post(f"{url}{path}", data=json.dumps(body), headers=headers) as response:
            answer = await response.json(content_type=None)
        if response.status >= 400:
            raise Error(answer["kind"], answer["detail"], details=answer.get("details"))
        return answer


def _token(scope: str | None) -> str:
    claims: dict[str, Any] = {"sub": "ann", "exp": int(time.time()) + 3600}
    return jwt.encode(claims if scope is None else {**claims, "scope": scope}, _KEY, "HS256")


@asynccontextmanager
async def served(directory: Path, address: str) -> AsyncIterator[Site]:
    shutil.copytree(PROJECT, directory, dirs_exist_ok=True)
    environ = {"TEMPORAL_ADDRESS": address, "QUEUE": f"promises-{uuid.uuid4()}"}
    path = directory / "registry.yaml"
    client = await Client.connect(address)
    plugin = LuaPlugin(path, environ=environ, bundles=directory / "bundles")
    async with (
        Runtime.open(
            path, temporal=address, http=HttpOptions(), environ=environ, bundles=directory / "bundles"
        ) as runtime,
        Worker(client, task_queue=f"{environ['QUEUE']}-plugin", plugins=[plugin]),
        aiohttp.ClientSession() as session,
    ):
        yield Site(directory, environ, runtime, client, session)
