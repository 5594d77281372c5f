"""Registered names: what a process on this node may be called besides its PID."""

from __future__ import annotations

from runtime.errors import ALREADY_EXISTS, NOT_FOUND, Error


class Names:
    """A name belongs to one PID; a PID may have many."""

    def __init__(self) -> None:
        self._pids: dict[str, str] = {}

    def register(self, name: str, pid: str) -> None:
        """Again for the same PID is no mistake. Raises `Error` ALREADY_EXISTS when another has the name."""
        owner = self._pids.setdefault(name, pid)
        if owner != pid:
            raise Error(ALREADY_EXISTS, f"name {name} is taken", retryable=False, details={"name": name, "pid": owner})

    def lookup(self, name: str) -> str:
        """Raises `Error` NOT_FOUND."""
        if name not in self._pids:
            raise Error(NOT_FOUND, f"name not found: {name}", retryable=False, details={"name": name})
        return self._pids[name]

    def get(self, name: str) -> str | None:
        return self._pids.get(name)

    def of(self, pid: str) -> list[str]:
        return sorted(name for name, owner in self._pids.items() if owner == pid)

    def unregister(self, name: str) -> bool:
        return self._pids.pop(name, None) is not None

    def forget(self, pid: str) -> None:
        """Gives up all names of one that has ended."""
        for name in [name for name, owner in self._pids.items() if owner == pid]:
            del self._pids[name]
