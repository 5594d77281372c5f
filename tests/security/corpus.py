"""The attack corpus: hostile scripts, each with a header that says how it must end.

``-- expect: error <text>``    the script fails with an error that holds the text
``-- expect: denied <text>``   the same; it asked for what was not given to it
``-- expect: budget``          its instructions, or its time, are spent
``-- expect: memory``          its memory is spent
``-- expect: limit``           whichever of its limits comes first is spent
``-- expect: harmless <JSON>`` it ends well, with this result

``-- memory:`` and ``-- instructions:`` set its limits; ``-- on:`` names the only place where it is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import LIMIT_EXCEEDED, Error

FOLDER = Path(__file__).parent / "corpus"
MODULES = (
    "base64", "crypto", "ctx", "expr", "funcs", "hash", "json", "logger", "outcome", "saga", "time", "uuid", "workflow",
    "yaml",
)  # fmt: skip
#: What no text that a script or a client sees may hold: names and places of the host, this checkout's among them.
# A kind of entry may be named: function.py.
INTERNALS = re.compile(
    r"(?<!function)\.py\b|Traceback|lupa|site-packages|/usr/|/home/|0x[0-9a-f]{6}|temporalio|jsonschema|evermoon/|"
    + re.escape(str(FOLDER.parent.parent.parent))
)

_HEADER = re.compile(r"^-- (\w+): ?(.*)$", re.MULTILINE)
_LIMITS = {
    "budget": {"instructions", "time"},
    "memory": {"memory", "time"},  # where others keep the machine busy the clock may come first
    "limit": {"instructions", "time", "memory", "commands"},
}


@dataclass(frozen=True)
class Attack:
    name: str
    source: str
    expected: str
    on: str | None
    memory: int
    instructions: int

    @property
    def how(self) -> str:
        return self.expected.partition(" ")[0]

    @property
    def spends(self) -> bool:
        return self.how in _LIMITS

    @property
    def text(self) -> str:
        return self.expected.partition(" ")[2]

    def judge(self, value: Any, error: Error | None) -> None:
        """Raises AssertionError unless the attack ended as its header says, and told nothing of its host."""
        if error is not None:
            told = f"{error}\n{error.stack}\n{error.details}"
            assert not INTERNALS.search(told), told[:2000]
        if self.how == "harmless":
            assert error is None, str(error)[:2000]
            assert value == json.loads(self.text)
        elif self.how in ("error", "denied"):
            assert error is not None, value
            assert self.text in str(error), str(error)[:2000]
        else:
            assert error is not None, value
            assert error.kind == LIMIT_EXCEEDED, str(error)[:2000]
            assert (error.details or {}).get("limit") in _LIMITS[self.how], error.details


def attacks(place: str, others: Sequence[str] = ()) -> list[Attack]:
    """Every attack that runs at `place`."""
    return [attack for attack in ALL if attack.on in (None, place, *others)]


def _read(path: Path) -> Attack:
    source = path.read_text()
    says = dict(_HEADER.findall(source.partition("\n\n")[0]))
    return Attack(
        name=path.stem,
        source=source,
        expected=says["expect"],
        on=says.get("on"),
        memory=int(says.get("memory", 64 * 1024 * 1024)),
        instructions=int(says.get("instructions", 20_000_000)),
    )


ALL = [_read(path) for path in sorted(FOLDER.glob("*.lua"))]
