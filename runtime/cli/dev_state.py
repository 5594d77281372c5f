"""The file `dev.json`, by which the other commands find a running `evermoon dev`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "dev.json"


@dataclass(frozen=True, slots=True)
class DevState:
    """The content of `dev.json`: `address` and `namespace` of the embedded server, the URL of its `ui`, the `http` services by entry id, and who wrote it.

    `bundles` is its bundle store, `streams` the file with what is published to runs, each None when that is in memory. `env` is what the companions of `dev` announced, for commands that resolve the same placeholders.
    """

    address: str
    namespace: str
    ui: str
    http: Mapping[str, str]
    pid: int
    env: Mapping[str, str] = field(default_factory=dict)
    bundles: str | None = None
    streams: str | None = None

    def write(self, state: Path) -> None:
        """Whole or not at all, and readable by this user only: companions may announce secrets."""
        state.mkdir(parents=True, exist_ok=True)
        fresh = state / f"{FILE}.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self), indent=2))
        fresh.replace(state / FILE)

    def remove(self, state: Path) -> None:
        if DevState.read(state) == self:
            (state / FILE).unlink(missing_ok=True)

    @classmethod
    def read(cls, state: Path) -> DevState | None:
        """The running dev server of `state`; None when there is none, or when the one that wrote it is gone."""
        try:
            found = cls(**json.loads((state / FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if _is_alive(found.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
