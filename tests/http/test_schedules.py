"""The schedules over HTTP."""

from __future__ import annotations

from tests.http.page.conftest import TOKEN, Watched, watched

__all__ = ["watched"]


async def test_schedules_are_listed_with_what_they_start_and_when(watched: Watched) -> None:
    await watched.until_scheduled()
    async with watched.session.get(f"{watched.url}/api/v1/schedules") as answer:
        found = await answer.json()
    assert found["count"] == len(found["schedules"])
    [nightly] = [item for item in found["schedules"] if item["entry"] == "app:nightly"]
    assert (nightly["workflow"], nightly["paused"], nightly["declared"]) == ("app:answer", False, True)
    assert nightly["next"][0].endswith("-01-01T00:00:00Z")


async def test_a_scope_that_may_not_read_an_entry_does_not_see_its_schedule(watched: Watched) -> None:
    await watched.until_scheduled()
    url = f"{watched.runtime.urls['app:reading']}/api/v1/schedules"
    async with watched.session.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"schedules": [], "count": 0})
