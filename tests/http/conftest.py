from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from runtime.app.runtime import Runtime
from runtime.temporal.dev_server import DevServer
from tests.http import site


@pytest.fixture(scope="session")
async def web(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[site.Site]:
    """The application of `site.py`, running: workers on the suite's Temporal server, HTTP on a free port."""
    registry = site.write(tmp_path_factory.mktemp("web"))
    async with (
        Runtime.open(registry, temporal=temporal_server.address, http=True, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield site.Site(runtime, session)
