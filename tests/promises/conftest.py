from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("tests.promises.promises")

from runtime.temporal.dev_server import DevServer  # noqa: E402  # what asserts is rewritten before it is imported
from tests.promises.site import Site, served  # noqa: E402


@pytest.fixture(scope="session")
async def site(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with served(tmp_path_factory.mktemp("promises"), temporal_server.address) as site:
        yield site
