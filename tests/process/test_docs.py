"""What docs/processes.md shows runs, and what it says of a host's limits holds."""

from __future__ import annotations

from pathlib import Path

from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.process.exit_records import ENDS
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from tests.docs.pages import blocks
from tests.waiting import eventually

PAGE = "docs/processes.md"


async def test_the_example_runs(tmp_path: Path) -> None:
    shown = {block.language: block.text for block in blocks(PAGE)}
    (tmp_path / "registry.yaml").write_text(shown["yaml"])
    (tmp_path / "shelf.lua").write_text(shown["lua"])
    registry = Registry.load(tmp_path / "registry.yaml", environ={})
    host = ProcessHost(registry, Programs(registry))
    try:
        await host.services.start()
        [pid] = host.services.running.values()
        assert host.names.lookup("shelf.tea") == pid
        host.send(pid, "take", [Payload.of(2)], pid)
        await eventually(lambda: pid in host.running)
        assert [process.names for process in await host.processes()] == [["shelf.tea"]]
    finally:
        await host.close(1)


def test_the_page_knows_how_many_ends_are_remembered() -> None:
    assert f"{ENDS:,}" in (Path(__file__).parents[2] / PAGE).read_text()
