from __future__ import annotations

import asyncio
import time
from pathlib import Path

from watchfiles import Change

from runtime import Runtime
from runtime.cli.watch import Sources, saved

REGISTRY = """
namespace: app
entries:
  - {name: one, kind: library.lua, source: file://one.lua}
"""
MORE = """
namespace: more
entries:
  - {name: two, kind: library.lua, source: file://two.lua}
"""


def test_what_a_host_keeps_for_itself_is_no_save(tmp_path: Path) -> None:
    is_save = Sources(ignore_paths=[tmp_path / ".evermoon"])
    kept, own = tmp_path / ".evermoon" / "bundles" / "ab" / "manifest.json", tmp_path / "config" / "more.json"
    assert [is_save(Change.modified, str(path)) for path in (kept, own)] == [False, True]


async def test_what_is_watched_follows_the_registry(tmp_path: Path) -> None:
    config, more = tmp_path / "config", tmp_path / "more"
    for directory in (config, more):
        directory.mkdir()
    path = config / "registry.yaml"
    path.write_text(REGISTRY)
    (config / "one.lua").write_text("return 1")
    (more / "more.yaml").write_text(MORE)
    (more / "two.lua").write_text("return 2")
    async with Runtime.open(path, workers=False, environ={}) as rt:
        saves = saved(rt, time.time())
        save = asyncio.ensure_future(anext(saves))
        await asyncio.sleep(0)
        path.write_text(f"include: ../more/*.yaml\n{REGISTRY}")
        await save
        await rt.reload()
        assert "more:two" in rt.registry
        save = asyncio.ensure_future(anext(saves))
        await asyncio.sleep(0)
        (more / "two.lua").write_text("return 3")
        await save
        await saves.aclose()  # type: ignore[attr-defined]
