"""One real server of each sort for the whole suite, started when the first test asks for it; and a state directory that is nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest

from runtime import settings
from runtime.lua.interpreter import Interpreter
from runtime.lua.interpreters import SHARED
from runtime.temporal.dev_server import DevServer
from tests import databases

# A slow machine is no failure: an example takes what it takes. `--hypothesis-profile` is loaded after this.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def default_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What would be kept in the working directory is kept elsewhere, so that tests leave nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DEFAULT_STATE", tmp_path_factory.mktemp("state"))
        yield


@pytest.fixture
def new_interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each program has an interpreter that served no other, so its strings have hashes of their own and it holds what it needs."""
    monkeypatch.setattr(
        SHARED, "take", lambda kernel, host, memory, **_: Interpreter(host, memory, kernel.chunk("kernel/boot"))
    )


@pytest.fixture(scope="session")
async def temporal_server() -> AsyncIterator[DevServer]:
    """The embedded server, without a state directory. Its address is `temporal_server.address`."""
    async with DevServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database of this session, which its tests share."""
    with databases.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of this session."""
    with databases.redis() as url:
        yield url


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """The same of MariaDB, which speaks MySQL's protocol."""
    with databases.mysql() as url:
        yield url
