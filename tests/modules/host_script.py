"""A script body run as a function on a real process host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.payload import Payload
from tests.process.support import MODULES, called, function, host, load


async def run(
    directory: Path,
    body: str,
    *args: Any,
    modules: list[str] | None = None,
    meta: dict[str, Any] | None = None,
    entries: list[dict[str, Any]] | None = None,
    environ: dict[str, str] | None = None,
    **options: Any,
) -> Any:
    """What `function(...) <body> end` returns, as a Python value. Raises the `Error` it fails with."""
    script = function("script", modules=[*MODULES, *(modules or [])], meta=meta or {})
    registry = load(directory, {"script.lua": f"return function(...) {body}\nend"}, [script, *(entries or [])], environ)
    async with host(registry) as target:
        payload = await target.call("app:script", [Payload.of(arg) for arg in args], **called(options))
    return payload.value()
