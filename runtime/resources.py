"""What modules keep on a host: for the host's life (connection pools) or for one execution (an open stream)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.errors import invalid
from runtime.late import late

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late("asyncio")

T = TypeVar("T")


class Resources:
    """Shared by every execution on a host; closed with it, last opened first. `state`: the directory for what outlives the host and has no other place."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._stack = AsyncExitStack()
        self._held: dict[Hashable, Any] = {}
        self._opening = asyncio.Lock()

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """The one value under `key`, made at its first use."""
        if key not in self._held:
            self._held[key] = make()
        value: T = self._held[key]
        return value

    async def open(self, key: Hashable, make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """As `shared`, for what has to be closed again."""
        if key not in self._held:
            async with self._opening:
                if key not in self._held:
                    self._held[key] = await self._stack.enter_async_context(make())
        value: T = self._held[key]
        return value

    async def close(self) -> None:
        self._held.clear()
        await self._stack.aclose()


class Handles:
    """Open things of one execution, by number; what is left open is closed when it ends."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Any, Callable[[], object]]] = {}
        self._names: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def add(self, resource: Any, close: Callable[[], object], *, name: str | None = None) -> int:
        number = next(self._numbers)
        self._open[number] = (resource, close)
        if name is not None:
            self._names[name] = number
        return number

    def named(self, name: str) -> int | None:
        """The number of what was added under that name and is open still."""
        number = self._names.get(name)
        return number if number in self._open else None

    def get(self, number: object) -> Any:
        """Raises `Error` INVALID for what is closed."""
        if not isinstance(number, int) or number not in self._open:
            raise invalid("closed already")
        return self._open[number][0]

    def every(self, kind: type[T]) -> list[T]:
        """What is open of a kind, oldest first."""
        return [resource for resource, _ in self._open.values() if isinstance(resource, kind)]

    def close(self, number: object) -> None:
        """Closing twice, or nothing, is no mistake."""
        if isinstance(number, int) and number in self._open:
            _, close = self._open.pop(number)
            close()

    def close_all(self) -> None:
        for number in list(self._open):
            self.close(number)
