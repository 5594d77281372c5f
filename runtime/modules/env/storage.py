"""Where variables are kept: in memory over something that does not change, in a file, or in several places one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runtime.contracts import ExecutionPort
from runtime.errors import Error, not_found, unavailable
from runtime.late import late
from runtime.registry.kinds.env import EnvStorageFile, EnvStorageMemory, EnvStorageOs, EnvStorageRouter

if TYPE_CHECKING:
    import asyncio

    from runtime.modules.env import file as env_file
else:
    asyncio = late("asyncio")
    env_file = late("runtime.modules.env.file")


class Storage(Protocol):
    """Both raise `Error` UNAVAILABLE when the storage cannot be used, without saying where it is."""

    async def get(self, name: str) -> str | None: ...
    async def set(self, name: str, value: str) -> None: ...


class Overlay:
    """What was set since, over `base`."""

    def __init__(self, base: Mapping[str, str], changes: dict[str, str]) -> None:
        self._base = base
        self._changes = changes

    async def get(self, name: str) -> str | None:
        return self._changes.get(name, self._base.get(name))

    async def set(self, name: str, value: str) -> None:
        self._changes[name] = value


class EnvFile:
    """One file, read each time: others may write it too. A change replaces the file as a whole."""

    def __init__(self, entry: EnvStorageFile, writing: asyncio.Lock) -> None:
        self._id = entry.id
        self._path = Path(entry.root, entry.storage_file)
        self._create, self._mode = entry.create, entry.mode
        self._writing = writing

    async def get(self, name: str) -> str | None:
        try:
            return (await asyncio.to_thread(env_file.read, self._path)).get(name)
        except OSError as error:
            raise self._unusable("read", error) from None

    async def set(self, name: str, value: str) -> None:
        async with self._writing:
            try:
                await asyncio.to_thread(env_file.write, self._path, name, value, create=self._create, mode=self._mode)
            except FileNotFoundError:
                raise not_found("file of the storage", self._id) from None
            except OSError as error:
                raise self._unusable("written", error) from None

    def _unusable(self, done: str, error: OSError) -> Error:
        return unavailable(f"{self._id}: the file cannot be {done}: {error.strerror}")


class Router:
    def __init__(self, storages: Sequence[Storage]) -> None:
        self._storages = storages

    async def get(self, name: str) -> str | None:
        for storage in self._storages:
            value = await storage.get(name)
            if value is not None:
                return value
        return None

    async def set(self, name: str, value: str) -> None:
        await self._storages[0].set(name, value)


def storage_of(process: ExecutionPort, entry_id: str | None) -> Storage:
    """The storage of an entry; None stands for the environment of the host."""
    registry, resources = process.registry, process.resources
    entry = registry.get(entry_id) if entry_id is not None else None
    if isinstance(entry, EnvStorageRouter):
        return Router([storage_of(process, other) for other in registry.resolve(entry).storages])
    if isinstance(entry, EnvStorageFile):
        return EnvFile(registry.resolve(entry), resources.shared(("env.file", entry.id), asyncio.Lock))
    changes: dict[str, str] = resources.shared(("env", entry_id), dict)
    if isinstance(entry, EnvStorageMemory):
        return Overlay(registry.resolve(entry).values, changes)
    assert entry is None or isinstance(entry, EnvStorageOs)
    return Overlay(registry.environ, changes)
