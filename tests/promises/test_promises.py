"""Every promise at every door. A new door is tried with every promise, and a new promise at every door: no cell of the table can be empty."""

from __future__ import annotations

import re

import pytest

from tests.promises.doors import DOORS, Door
from tests.promises.promises import PROMISES, Promise
from tests.promises.site import Site


def _key(door: Door) -> str:
    return re.sub(r"\W+", "_", door.name).lower()


CELLS = [
    pytest.param(promise, door, id=f"{promise.name}-{door.name}".replace(" ", "_"))
    for promise in PROMISES
    for door in DOORS
    if _key(door) not in promise.exempt
]


@pytest.mark.parametrize(("promise", "door"), CELLS)
async def test_a_promise_holds(promise: Promise, door: Door, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await promise.trial(door, site, caplog)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_an_exempt_door_exists_and_has_a_reason(promise: Promise) -> None:
    assert promise.exempt.keys() <= {_key(door) for door in DOORS}
    assert all(len(reason.split()) > 3 for reason in promise.exempt.values())
