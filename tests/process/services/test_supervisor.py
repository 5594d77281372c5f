"""Services: started in order, kept up, given up, and stopped the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import StartRequest
from runtime.errors import UNAVAILABLE, Error
from runtime.lua.program import Programs
from runtime.registry import Registry, RegistryError
from tests.process.support import PROCESSES, Lines, host, load, process
from tests.waiting import eventually

SOON = {"initial_delay": "1ms", "max_delay": "2ms"}
#: Says when it is up and when it has been asked to end; fails as often as it is told to.
WORKS = """
    return function(name, failures)
      if failures and not process.registry.lookup("up " .. failures) then
        print(name .. " fails")
        error("not yet")
      end
      process.registry.register(name)
      print(name .. " up")
      local event = process.events():receive()
      print(name .. " " .. event.reason)
    end
"""


def service(name: str, *needs: str, source: str = "works", input: Any = None, **lifecycle: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "process.service",
        "process": source,
        "host": "processes",
        "input": name if input is None else input,
        "lifecycle": {"depends_on": list(needs), "restart": SOON, **lifecycle},
    }


def registry(directory: Path, *services: dict[str, Any], **sources: str) -> Registry:
    files = {"works.lua": WORKS, **{f"{name}.lua": text for name, text in sources.items()}}
    return load(directory, files, [PROCESSES, *(process(Path(name).stem) for name in files), *services])


async def test_services_start_in_order_and_stop_in_the_opposite_one(tmp_path: Path) -> None:
    lines = Lines()
    made = registry(tmp_path, service("c", "b"), service("b", "a"), service("a"))
    async with host(made, log=lines) as h:
        await h.services.start()
        assert set(h.services.running) == {"app:a", "app:b", "app:c"}
        await h.services.stop()
        assert h.running == []
    said = [message for _, message, _ in lines.seen]
    assert said == ["a up", "b up", "c up", "c service stopped", "b service stopped", "a service stopped"]


async def test_a_service_that_fails_is_started_again_under_its_name(tmp_path: Path) -> None:
    async with host(registry(tmp_path, service("a")), log=Lines()) as h:
        await h.services.start()
        first = h.names.lookup("a")
        h.terminate(first)
        await eventually(lambda: h.names.get("a") not in (None, first))
        assert h.services.running == {"app:a": h.names.get("a")}


async def test_what_depends_on_a_service_that_is_down_waits_for_it(tmp_path: Path) -> None:
    """`a` fails until somebody has registered the name it looks for."""
    lines = Lines()
    made = registry(tmp_path, service("a", input=["a", "now"]), service("b", "a"))
    async with host(made, log=lines) as h:
        await h.services.start()
        await eventually(lambda: len(lines.seen) > 3)
        assert {message for _, message, _ in lines.seen} == {"a fails"}
        h.names.register("up now", "anybody")
        await eventually(lambda: len(h.services.running) == 2)
        await eventually(lambda: lines.seen[-1][1] == "b up")


async def test_a_service_is_given_up_after_its_attempts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`max_attempts` counts the first start, too."""
    fails = "return function() print('tried') error('never') end"
    lines = Lines()
    restart = {**SOON, "max_attempts": 3}
    async with host(registry(tmp_path, service("a", source="fails", restart=restart), fails=fails), log=lines) as h:
        await h.services.start()
        await eventually(lambda: "stays down" in caplog.text)
        assert not h.services.running
    assert [message for _, message, _ in lines.seen] == ["tried"] * 3
    assert "app:a has failed 3 times and stays down" in caplog.text


async def test_a_service_that_ends_well_is_not_started_again(tmp_path: Path) -> None:
    lines = Lines()
    made = registry(
        tmp_path, service("a", source="once"), service("b", "a"), once="return function() print('once') end"
    )
    async with host(made, log=lines) as h:
        await h.services.start()
        await eventually(lambda: len(lines.seen) == 2)
        assert [message for _, message, _ in lines.seen] == ["once", "b up"]
        assert list(h.services.running) == ["app:b"]


async def test_one_that_does_not_start_by_itself_is_left_alone(tmp_path: Path) -> None:
    async with host(registry(tmp_path, service("a", auto_start=False)), log=Lines()) as h:
        await h.services.start()
        assert h.running == []


async def test_one_that_does_not_end_in_time_is_ended(tmp_path: Path) -> None:
    deaf = "return function() process.events() while true do time.sleep('1h') end end"
    async with host(registry(tmp_path, service("a", source="deaf", stop_timeout="1ms"), deaf=deaf)) as h:
        await h.services.start()
        assert h.running
        await h.services.stop()
        assert not h.running


async def test_a_start_that_takes_too_long_is_a_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is busy with its names, so it is not up, and each lookup has the budget for itself: only the time limit ends it."""
    lines = Lines()
    slow = "return function() for i = 1, 2000 do process.registry.lookup('nobody') end print('up') end"
    entry = service("a", source="slow", start_timeout="1ms", restart={**SOON, "max_attempts": 2})
    async with host(registry(tmp_path, entry, slow=slow), log=lines) as h:
        await h.services.start()
        await eventually(lambda: "stays down" in caplog.text or lines.seen)
        assert h.running == []
    assert lines.seen == []
    assert "app:a has failed 2 times and stays down: app:a did not start within 0.001 s" in caplog.text


async def test_a_service_that_lived_long_is_not_given_up_for_failures_of_long_ago(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each life is longer than `max_delay`, so each failure is the first one."""
    lines = Lines()
    lasts = "return function() time.sleep('50ms') print('failing') error('not for ever') end"
    entry = service("a", source="lasts", restart={**SOON, "max_attempts": 2})
    async with host(registry(tmp_path, entry, lasts=lasts), log=lines) as h:
        await h.services.start()
        await eventually(lambda: len(lines.seen) >= 4 or "stays down" in caplog.text)
    assert "stays down" not in caplog.text


async def test_a_reload_starts_stops_and_renews_what_has_changed(tmp_path: Path) -> None:
    lines = Lines()
    async with host(registry(tmp_path, service("same"), service("changed"), service("gone")), log=lines) as h:
        await h.services.start()
        before = h.services.running
        later = registry(tmp_path, service("same"), service("changed", input="other"), service("new"))
        h.use(later, Programs(later))
        await eventually(lambda: h.names.get("new") and h.names.get("other"))
        after = h.services.running
        assert after["app:same"] == before["app:same"]
        assert set(after) == {"app:same", "app:changed", "app:new"}
        assert after["app:changed"] == h.names.get("other") != before["app:changed"]


async def test_what_another_one_depends_on_is_started_for_it(tmp_path: Path) -> None:
    made = registry(tmp_path, service("a", auto_start=False), service("b", "a"), service("c", auto_start=False))
    async with host(made, log=Lines()) as h:
        await h.services.start()
        assert set(h.services.running) == {"app:a", "app:b"}


async def test_a_process_is_refused_by_a_host_that_is_not_started(tmp_path: Path) -> None:
    off = {**PROCESSES, "lifecycle": {"auto_start": False}}
    made = load(tmp_path, {"works.lua": WORKS}, [off, process("works")])
    async with host(made) as h:
        with pytest.raises(Error, match=r"process\.host app:processes is not started") as refused:
            h.spawn(StartRequest("app:works", [], worker="app:processes"))
    assert refused.value.kind == UNAVAILABLE
    assert "-o app:processes:lifecycle.auto_start=true" in refused.value.message


async def test_a_reload_with_another_lifecycle_leaves_a_service_alone_that_is_up(tmp_path: Path) -> None:
    """What it says holds from then on: the process ends at once that had an hour to end."""
    deaf = "return function() process.registry.register('deaf') process.events() while true do time.sleep('1h') end end"
    patient = registry(tmp_path, service("a", source="deaf", stop_timeout="1h"), deaf=deaf)
    async with host(patient, log=Lines()) as h:
        await h.services.start()
        before = h.services.running
        later = registry(tmp_path, service("a", source="deaf", stop_timeout="1ms"), service("b"), deaf=deaf)
        h.use(later, Programs(later))
        await eventually(lambda: "app:b" in h.services.running)
        assert h.services.running["app:a"] == before["app:a"]
        await h.services.stop()
        assert not h.running


async def test_a_reload_with_another_lifecycle_starts_a_service_again_that_stays_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = Lines()
    made = registry(tmp_path, service("a", input=["a", "now"], restart={**SOON, "max_attempts": 1}))
    async with host(made, log=lines) as h:
        await h.services.start()
        await eventually(lambda: "app:a has failed once and stays down" in caplog.text)
        h.names.register("up now", "anybody")
        later = registry(tmp_path, service("a", input=["a", "now"], restart={**SOON, "max_attempts": 2}))
        h.use(later, Programs(later))
        await eventually(lambda: h.names.get("a"))
    assert [message for _, message, _ in lines.seen] == ["a fails", "a up", "a service stopped"]


def test_services_that_depend_on_each_other_in_a_circle_are_refused_at_load(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="circle: app:a → app:b → app:a"):
        registry(tmp_path, service("a", "b"), service("b", "a"))
