from __future__ import annotations

import asyncio
import time
from pathlib import Path

from runtime import Runtime
from runtime.cli.watch import saved

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
