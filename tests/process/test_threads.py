from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from runtime.process.threads import Threads

_who = contextvars.ContextVar("_who", default="nobody")


async def test_work_is_done_elsewhere_and_heard_of_in_the_callers_context() -> None:
    threads, heard = Threads(), asyncio.Event()
    seen: list[tuple[object, BaseException | None, str, bool]] = []

    def then(value: object, error: BaseException | None) -> None:
        seen.append((value, error, _who.get(), threading.current_thread() is threading.main_thread()))
        heard.set()

    _who.set("me")
    threads.begin(lambda n: (n, threading.current_thread() is threading.main_thread()), 3, then=then)
    _who.set("somebody else")
    await heard.wait()
    assert seen == [((3, False), None, "me", True)]
    await threads.close()


async def test_what_work_raises_is_raised_where_it_is_waited_for() -> None:
    threads = Threads()
    with pytest.raises(KeyError):
        await threads.run({}.__getitem__, "nothing")
    threads.submit(lambda: [].pop())  # nobody waits: the thread goes on
    assert await threads.run(len, "abc") == 3
    await threads.close()


async def test_one_follower_that_fails_keeps_no_other_from_its_own() -> None:
    threads, gate, heard = Threads(), threading.Event(), asyncio.Event()

    def failing(value: object, error: BaseException | None) -> None:
        raise RuntimeError("mine")

    threads.begin(gate.wait, then=failing)
    threads.begin(gate.wait, then=lambda value, error: heard.set())
    gate.set()
    await heard.wait()
    await threads.close()


async def test_many_are_under_way_together_and_closing_waits_for_them() -> None:
    """Each waits for the others: with fewer threads they would wait for ever."""
    threads, together = Threads(), threading.Barrier(3)
    done: list[int] = []
    for _ in range(3):
        threads.submit(lambda: done.append(together.wait()))
    await threads.close()
    assert sorted(done) == [0, 1, 2]
