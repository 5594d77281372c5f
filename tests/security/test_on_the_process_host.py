"""Every attack as a function, called by another, as an HTTP handler and as a process: it ends as its header says, and the host
goes on answering rightly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.security.corpus import Attack, attacks
from tests.security.places import PLACES, WELL, Host, host


@pytest.fixture(scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    async with host(tmp_path_factory.mktemp("attacks"), attacks("process")) as made:
        yield made


@pytest.mark.parametrize("attack", attacks("process"), ids=lambda attack: attack.name)
@pytest.mark.parametrize("place", PLACES)
async def test_attack(place: str, attack: Attack, target: Host) -> None:
    run = PLACES[place]
    attack.judge(*await run(target, attack.name))
    assert await run(target, "canary") == (WELL, None)
