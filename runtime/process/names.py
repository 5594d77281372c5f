"""The registered names of this node, by which a process may be called instead of its PID."""

from __future__ import annotations

from runtime.errors import already_exists, not_found, rate_limited
from runtime.modules.options import without_controls

#: Names that one PID may have.
MAX_NAMES = 1000


class Names:
    """A register of names. A name belongs to one PID; a PID may have many."""

    def __init__(self) -> None:
        self._pids: dict[str, str] = {}
        self._names: dict[str, set[str]] = {}

    def register(self, name: str, pid: str) -> None:
        """Again for the same PID is no mistake.

        Raises `Error`: INVALID for control characters, ALREADY_EXISTS when another has the name, RATE_LIMITED above `MAX_NAMES`.
        """
        without_controls(name, "name")
        owner = self._pids.get(name)
        if owner == pid:
            return
        if owner is not None:
            raise already_exists(f"name {name} is taken", name=name, pid=owner)
        names = self._names.setdefault(pid, set())
        if len(names) >= MAX_NAMES:
            raise rate_limited(f"{pid} has {MAX_NAMES} names already", retryable=False, pid=pid, max_names=MAX_NAMES)
        names.add(name)
        self._pids[name] = pid

    def lookup(self, name: str) -> str:
        """Raises `Error` NOT_FOUND."""
        if name not in self._pids:
            raise not_found("name", name, name=name)
        return self._pids[name]

    def get(self, name: str) -> str | None:
        return self._pids.get(name)

    def of(self, pid: str) -> list[str]:
        return sorted(self._names.get(pid, ()))

    def unregister(self, name: str) -> bool:
        pid = self._pids.pop(name, None)
        if pid is None:
            return False
        self._names[pid].discard(name)
        if not self._names[pid]:
            del self._names[pid]
        return True

    def forget(self, pid: str) -> None:
        """Gives up all names of one that has ended."""
        for name in self._names.pop(pid, ()):
            del self._pids[name]
