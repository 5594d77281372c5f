"""The kernel's files: what loads on demand loads what it says, and whether it is loaded already makes no difference."""

from __future__ import annotations

import json
import re

import pytest

from runtime.lua import protocol
from runtime.lua.kernel import current_kernel
from runtime.lua.session import Session
from runtime.payload import Payload
from runtime.testing import program_from_source
from tests.support import EVERYTHING, main

SOURCES: dict[str, str] = json.loads(current_kernel().data)
BOOT = {"class": "workflow", "pid": "", "seed": 1, "ctx": {}, "info": {}}


def _given() -> list[tuple[str, str]]:
    return [
        (file, name)
        for file, source in SOURCES.items()
        for line in re.findall(r"^-- On first use of: (.+)$", source, re.MULTILINE)
        for name in line.split()
    ]


def test_no_two_files_give_the_same_name() -> None:
    names = [name for _, name in _given()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("file", sorted({file for file, _ in _given()}))
def test_a_file_gives_what_it_says(file: str) -> None:
    names = [name for giver, name in _given() if giver == file]
    set_there = re.findall(r"\bfunction K\.(\w+)", SOURCES[file])
    for left in re.findall(r"^\s*(K\.[\w., ]+?) = ", SOURCES[file], re.MULTILINE):
        set_there += re.findall(r"K\.(\w+)", left)
    assert set(names) <= set(set_there)
    assert set(re.findall(r"\bfunction K\.(\w+)\(", SOURCES[file])) - set(names) <= INNER


#: What is set for the sake of others once a file is there, never looked up before.
INNER = {"finish_update_error"}


def test_every_name_that_is_used_is_given() -> None:
    given = {name for _, name in _given()}
    boot = SOURCES["kernel/boot"]
    core = set(re.findall(r"\b(\w+) = ", boot)) | {
        name
        for file, source in SOURCES.items()
        if f'K.use("{file}")' in boot
        for name in re.findall(r"\bK\.(\w+)\b[^\n]*?(?:=|\()", source)
    }
    used = {
        (file, name)
        for file, source in SOURCES.items()
        for name in re.findall(r"\bK\.(\w+)\(", source)
        if name not in given | core and f"function K.{name}(" not in source
    }
    assert used == set()


def _end(budget: int, *, asked: bool) -> bytes:
    """How a script ends that first does much with libraries when it gets its message: they are loaded by then, or not."""
    body = """
      local function work(n)
        local out = {}
        for i = 1, n do out[i] = string.format('%d %s', i, ('x'):rep(3)):upper() end
        table.sort(out)
        return json.encode({ out, tostring(time.parse_duration('90s')), { pcall(error, 'x') }, tostring(errors.new('y')) })
      end
      workflow.query('work', function() return work(3) end)
      process.inbox():receive()
      logger:info(work(400), { n = 1 })
      return work(50)
    """
    session = Session(program_from_source(main(body), modules=EVERYTHING, instructions=budget), BOOT)
    assert session.step([protocol.start([])], protocol.Clock(now=0)).state == "running"
    if asked:
        session.query("work", [])
    batch = session.step([protocol.message("tick", "", [Payload.of({"a": 1})])], protocol.Clock(now=1))
    session.close()
    return batch.frame


def test_what_a_query_loaded_is_not_counted() -> None:
    ends = [_end(budget, asked=False) for budget in range(20_000, 240_000, 20_000)]
    assert [_end(budget, asked=True) for budget in range(20_000, 240_000, 20_000)] == ends
    assert {end.partition(b"\n")[0] for end in ends} == {b"failed", b"done"}
