from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from temporalio.client import Client

from runtime import Runtime
from runtime.temporal.dev_server import DevServer
from tests.boundaries.site import REGISTRY, Site


@pytest.fixture(scope="session")
async def site(temporal_server: DevServer) -> AsyncIterator[Site]:
    overrides = [f"b:worker:task_queue=boundaries-{uuid.uuid4()}"]
    address = temporal_server.address
    async with (
        Runtime.open(REGISTRY, temporal=address, http=True, overrides=overrides, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Site(runtime, await Client.connect(address), session)
