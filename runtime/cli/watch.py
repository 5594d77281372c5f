"""The watcher of the files whose saves matter: the definition files of a registry and everything below the directories its sources come from."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from runtime.app.runtime import Runtime
from runtime.registry import LibraryLua, RunnableLua
from runtime.registry.directory import SUFFIXES

_SUFFIXES = (".lua", *SUFFIXES)


class Sources(DefaultFilter):
    """What a host keeps for itself may lie below the registry's root, and has definition files in its bundles."""

    def __call__(self, change: Change, path: str) -> bool:
        return path.endswith(_SUFFIXES) and super().__call__(change, path)


#: How soon the files are looked at once after the watch began, in milliseconds.
_FIRST_LOOK = 500


async def saved(runtime: Runtime, since: float, kept: Sequence[Path] = ()) -> AsyncIterator[None]:
    """Once per burst of saves, for ever; those after `since` (Unix time) that came before the watch began count too. Nothing below `kept` does.

    What is watched follows the registry that was taken up.
    """
    while True:
        looked, directories = False, _directories(runtime)
        watch = awatch(
            *directories,
            watch_filter=Sources(ignore_paths=[path.resolve() for path in kept]),
            debounce=200,
            step=50,
            recursive=True,
            rust_timeout=_FIRST_LOOK,
            yield_on_timeout=True,
        )
        async for changes in watch:
            if changes or (not looked and _newer(runtime, since)):
                since = time.time()
                yield
            looked = True
            if _directories(runtime) != directories:
                break


def _newer(runtime: Runtime, since: float) -> bool:
    """Whether a file of the registry was written after a moment."""
    entries = runtime.registry.entries.values()
    paths = {entry.file for entry in entries} | {
        entry.source.path for entry in entries if isinstance(entry, RunnableLua | LibraryLua)
    }
    return any(path.stat().st_mtime > since for path in paths if path.exists())


def _directories(runtime: Runtime) -> list[Path]:
    """The outermost directories, so that none is watched twice."""
    registry = runtime.registry
    wanted = {entry.root.resolve() for entry in registry.entries.values()}
    wanted |= {entry.file.resolve().parent for entry in registry.entries.values()}
    wanted.add(registry.path.resolve() if registry.path.is_dir() else registry.path.resolve().parent)
    return sorted(path for path in wanted if not any(other in path.parents for other in wanted))
