"""The project's Markdown pages, and the fenced blocks in them.

What follows a fence's language says what the block is: a path means a file of the reader's project; `console` is a session
with a shell (`$ command`, then what it prints, with `…` for any text); `sh` is for the clone of Evermoon itself; `lua function`
is the body of a function, where `lua` alone is that of a workflow, and `lua handler` that of a function behind a consumer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(?P<language>\w*)[ \t]*(?P<info>[^\n]*)\n(?P<text>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block. `info` is the rest of the opening line, `line` where in the page it begins."""

    page: str
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["info"].strip(), found["text"])
        for found in _FENCE.finditer(text)
    ]


def shown(script: str) -> list[str]:
    """What a Lua block says it prints, line by line: what stands behind each `-->`."""
    return [text.rstrip() for text in re.findall(r"--> (.*)$", script, re.MULTILINE)]


def prose(path: Path) -> str:
    """A page without its fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", path.read_text(encoding="utf-8")))


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a `console` block with what it prints."""
    command, printed = "", ""
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:].rstrip("\n"), ""
        elif command.endswith("\\") and not printed:
            command += "\n" + line.rstrip("\n")
        else:
            printed += line
    yield command, printed


def matches(expected: str, printed: str) -> bool:
    """Whether a command printed what the page says; `…` stands for any text, also over several lines."""
    pattern = r"[\s\S]*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip()) is not None
