"""The example's services as the demo runs them: four processes, real files, real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from entries.services.supervisor import services
from tests.entries.shop import Shop


@pytest.fixture(scope="session")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with (
        services(tmp_path_factory.mktemp("shop"), ["--gateway-limit", "2"]) as running,
        aiohttp.ClientSession() as client,
    ):
        yield Shop(running, client)
