"""Who hears of whose end, and that nothing is kept of watches that are given up or over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from runtime.contracts import End, LinkedWorkflows
from runtime.errors import NOT_FOUND, PERMISSION_DENIED, RATE_LIMITED, TIMEOUT, UNAVAILABLE, Error
from runtime.lua.protocol import EXIT, LINK_DOWN
from runtime.payload import Payload
from runtime.process import watches
from runtime.process.host import ProcessHost
from runtime.process.watches import Watch, Watches
from tests.process.support import PROCESSES, host, load, process, result, spawn

#: Hears of so many ends and says what it heard.
HEARS = """
    return function(n)
      local events, heard = process.events(), {}
      process.set_options({ trap_links = true })
      for i = 1, n do
        local e = events:receive()
        heard[i] = { e.kind, e.from, e.result.error and e.result.error:kind() or e.result.value }
      end
      return heard
    end
"""
GOOD, BAD = End(5, Payload.of("value")), End(6, error=Error(UNAVAILABLE, "down"))
RUN = "{app:worker|run}"


@pytest.fixture
async def hosted(tmp_path: Path) -> AsyncIterator[ProcessHost]:
    async with host(load(tmp_path, {"hears.lua": HEARS}, [PROCESSES, process("hears")])) as made:
        yield made


def kept(watched: Watches) -> list[Any]:
    return [part for part in (watched._watchers, watched._watched, watched._followed, watched._telling) if part]


class Workflows:
    """Stands for Temporal, which a test cannot make fail on order: a run hears of an end once all `troubles` are over."""

    def __init__(self, *troubles: Error) -> None:
        self.troubles = list(troubles)
        self.told: list[tuple[str, str, str, End]] = []
        self.followed: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.end: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()

    async def tell_end(self, run: str, kind: str, pid: str, end: End) -> None:
        await self.answers.wait()
        self.told.append((run, kind, pid, end))
        if self.troubles:
            raise self.troubles.pop(0)

    async def result(self, run: str) -> Payload:
        self.followed.append(run)
        return await asyncio.shield(self.end)


def temporal(target: ProcessHost, *troubles: Error) -> Workflows:
    made = Workflows(*troubles)
    target.workflows = cast("LinkedWorkflows", made)
    return made


async def told(target: ProcessHost) -> None:
    """Returns once workflows have heard all that they are to hear, with nothing left of it."""
    while target.watches._telling:
        await asyncio.wait(target.watches._telling)


@pytest.mark.parametrize(
    ("watch", "end", "kinds"),
    [
        (Watch(monitors=True), GOOD, [EXIT]),
        (Watch(monitors=True), BAD, [EXIT]),
        (Watch(links=True), GOOD, [EXIT]),
        (Watch(links=True), BAD, [LINK_DOWN]),
        (Watch(monitors=True, links=True), GOOD, [EXIT]),
        (Watch(monitors=True, links=True), BAD, [LINK_DOWN, EXIT]),
        (Watch(), BAD, []),
    ],
)
async def test_an_end_is_told_once_or_as_a_broken_link_first(
    hosted: ProcessHost, watch: Watch, end: End, kinds: list[str]
) -> None:
    watcher = spawn(hosted, "hears", len(kinds))
    hosted.watches.tell(watcher, "other", end, watch)
    outcome = "value" if end is GOOD else UNAVAILABLE
    assert await result(hosted, watcher) == [[kind, "other", outcome] for kind in kinds]


async def test_whoever_watches_hears_of_the_end_and_nothing_is_kept(hosted: ProcessHost) -> None:
    monitors, linked, own = (spawn(hosted, "hears", 1) for _ in range(3))
    hosted.watches.monitor(monitors, own)
    hosted.watches.link(linked, own)
    assert hosted.watches.of(monitors) == {own: Watch(monitors=True)}
    assert hosted.watches.of(linked) == {own: Watch(links=True)}
    assert hosted.watches.of(own) == {linked: Watch(links=True)}
    hosted.terminate(own)
    assert await result(hosted, monitors) == [[EXIT, own, "Canceled"]]
    assert await result(hosted, linked) == [[LINK_DOWN, own, "Canceled"]]
    assert kept(hosted.watches) == []


async def test_a_watch_that_is_given_up_leaves_nothing(hosted: ProcessHost) -> None:
    watched = hosted.watches
    watched.monitor("a", "b")
    watched.monitor("a", "c")
    watched.monitor("d", "b")
    watched.unmonitor("a", "b")
    assert (watched.of("a"), watched.of("d")) == ({"c": Watch(monitors=True)}, {"b": Watch(monitors=True)})
    watched.unmonitor("a", "c")
    watched.unmonitor("d", "b")
    watched.unmonitor("d", "b")
    watched.unmonitor("nobody", "b")
    assert kept(watched) == []
    watched.link("a", "b")
    assert list(watched.of("b")) == ["a"]
    watched.unlink("b", "a")
    watched.unlink("b", "a")
    assert kept(watched) == []


async def test_a_link_and_a_monitor_of_the_same_are_given_up_one_by_one(hosted: ProcessHost) -> None:
    watched = hosted.watches
    watched.monitor("a", "b")
    watched.link("a", "b")
    assert watched.of("a") == {"b": Watch(monitors=True, links=True)}
    watched.unmonitor("a", "b")
    assert (watched.of("a"), watched.of("b")) == ({"b": Watch(links=True)}, {"a": Watch(links=True)})
    watched.monitor("a", "b")
    watched.unlink("a", "b")
    assert (watched.of("a"), watched.of("b")) == ({"b": Watch(monitors=True)}, {})


async def test_nobody_is_linked_with_itself(hosted: ProcessHost) -> None:
    hosted.watches.link("a", "a")
    hosted.watches.ended("a", GOOD)
    assert kept(hosted.watches) == []


async def test_one_that_ends_is_no_watcher_any_more(hosted: ProcessHost) -> None:
    watcher, other = (spawn(hosted, "hears", 0) for _ in range(2))
    hosted.watches.monitor(watcher, "somebody")
    hosted.watches.monitor(other, "somebody")
    await result(hosted, watcher)
    assert hosted.watches.of(watcher) == {}
    await result(hosted, other)
    assert kept(hosted.watches) == []


async def test_only_so_many_are_watched(hosted: ProcessHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_WATCHES", 2)
    watched = hosted.watches
    watched.monitor("a", "b")
    watched.refuse_when_full("a", "c")
    watched.monitor("a", "c")
    watched.refuse_when_full("a", "b")
    watched.refuse_when_full("b")
    for more in (("a", "d"), ("a",)):
        with pytest.raises(Error, match="a watches 2 others already") as full:
            watched.refuse_when_full(*more)
        assert (full.value.kind, full.value.retryable) == (RATE_LIMITED, False)
        assert full.value.details == {"pid": "a", "max_watches": 2}


async def test_a_workflow_hears_of_an_end_through_temporal(hosted: ProcessHost) -> None:
    at = temporal(hosted)
    hosted.watches.link(RUN, "other")
    hosted.watches.monitor(RUN, "other")
    hosted.watches.ended("other", BAD)
    await told(hosted)
    assert sorted(at.told, key=str) == [("run", EXIT, "other", BAD), ("run", LINK_DOWN, "other", BAD)]
    assert kept(hosted.watches) == []


async def test_who_is_gone_hears_nothing(hosted: ProcessHost) -> None:
    at = temporal(hosted)
    for gone in ("{app:processes@local|1}", "{app:processes@elsewhere|1}", "no PID"):
        hosted.watches.tell(gone, "other", BAD, Watch(monitors=True))
    assert kept(hosted.watches) == at.told == []
    hosted.workflows = None
    hosted.watches.tell(RUN, "other", BAD, Watch(monitors=True))
    assert kept(hosted.watches) == []


@pytest.mark.parametrize("kind", [UNAVAILABLE, TIMEOUT, RATE_LIMITED])
async def test_a_workflow_is_told_until_temporal_answers(hosted: ProcessHost, kind: str) -> None:
    at = temporal(hosted, *[Error(kind, "not now")] * 2)
    hosted.watches.tell(RUN, "other", GOOD, Watch(monitors=True))
    await told(hosted)
    assert at.told == [("run", EXIT, "other", GOOD)] * 3


@pytest.mark.parametrize(("kind", "lines"), [(NOT_FOUND, 0), (PERMISSION_DENIED, 1)])
async def test_a_workflow_that_cannot_be_told_is_given_up(
    hosted: ProcessHost, caplog: pytest.LogCaptureFixture, kind: str, lines: int
) -> None:
    """That a run has ended meanwhile is nothing to speak of."""
    at = temporal(hosted, Error(kind, "so it is"))
    with caplog.at_level(logging.WARNING, "evermoon.host"):
        hosted.watches.tell(RUN, "other", GOOD, Watch(monitors=True))
        await told(hosted)
    assert len(at.told) == 1
    said = ["workflow run was not told of the end of other: so it is"] * lines
    assert [record.getMessage() for record in caplog.records] == said


async def test_a_workflow_is_followed_once_for_all_who_watch_it(hosted: ProcessHost) -> None:
    at = temporal(hosted)
    first, second = (spawn(hosted, "hears", 1) for _ in range(2))
    for watcher in (first, second):
        hosted.watches.follow(RUN, "run")
        hosted.watches.monitor(watcher, RUN)
    assert len(hosted.watches._followed) == 1
    at.end.set_result(Payload.of("done"))
    for watcher in (first, second):
        assert await result(hosted, watcher) == [[EXIT, RUN, "done"]]
    assert at.followed == ["run"]
    assert kept(hosted.watches) == []


async def test_a_workflow_that_nobody_watches_any_more_is_not_followed(hosted: ProcessHost) -> None:
    temporal(hosted)
    hosted.watches.follow(RUN, "run")
    task = hosted.watches._followed[RUN]
    hosted.watches.monitor("a", RUN)
    hosted.watches.monitor("b", RUN)
    hosted.watches.unmonitor("a", RUN)
    assert hosted.watches._followed == {RUN: task}
    hosted.watches.unmonitor("b", RUN)
    assert kept(hosted.watches) == []
    await asyncio.wait({task})
    assert task.cancelled()


async def test_closing_waits_for_workflows_to_hear_but_not_for_ever(hosted: ProcessHost) -> None:
    at = temporal(hosted)
    hosted.watches.follow(RUN, "run")
    task = hosted.watches._followed[RUN]
    hosted.watches.tell(RUN, "heard", GOOD, Watch(monitors=True))
    await hosted.watches.close(60)
    assert [pid for _, _, pid, _ in at.told] == ["heard"]
    at.answers.clear()
    hosted.watches.tell(RUN, "unheard", GOOD, Watch(monitors=True))
    await hosted.watches.close(0.01)
    await told(hosted)
    assert [pid for _, _, pid, _ in at.told] == ["heard"]
    await asyncio.wait({task})
    assert task.cancelled()
