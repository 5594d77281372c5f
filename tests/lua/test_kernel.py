"""The kernel's files: what loads on demand loads what it says, and whether it is loaded already makes no difference."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from runtime.lua import protocol
from runtime.lua.kernel import Kernel, current_kernel
from runtime.lua.session import Session
from runtime.modules.catalogue import MODULES
from runtime.modules.definition import HOST
from runtime.payload import Payload
from runtime.testing import VirtualHost, program_from_source
from tests.support import EVERYTHING, main

SOURCES: dict[str, str] = json.loads(current_kernel().data)
BOOT = {"class": "workflow", "pid": "", "seed": 1, "ctx": {}, "info": {}}


def _loaded(modules: Sequence[str]) -> set[str]:
    return set(json.loads(current_kernel().part(modules).data))


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


#: What a workflow may list.
WORKFLOW_MODULES = sorted(name for name, module in MODULES.items() if HOST not in module.classes)
HOST_ONLY = sorted(name for name in SOURCES if name.startswith("modules/") and name not in _loaded(WORKFLOW_MODULES))


def test_host_only_modules_are_known() -> None:
    assert {"modules/sql", "modules/store", "modules/http/request", "modules/env"} <= set(HOST_ONLY)


@pytest.mark.parametrize("file", sorted(SOURCES))
def test_a_change_of_a_file_changes_the_kernel_of_those_who_can_load_it_and_of_nobody_else(file: str) -> None:
    touched = Kernel({**SOURCES, file: SOURCES[file] + "\n-- a comment"})
    of = [[], *([name] for name in WORKFLOW_MODULES), WORKFLOW_MODULES]
    changed = [listed for listed in of if touched.part(listed).hash != current_kernel().part(listed).hash]
    if file.startswith("kernel/"):
        assert changed == of
    elif file in HOST_ONLY:
        assert changed == []
    else:
        assert changed == [listed for listed in of if file in _loaded(listed)]
        assert WORKFLOW_MODULES in changed


def test_a_program_runs_on_the_part_of_the_kernel_that_it_can_load() -> None:
    """What a store has of a kernel is enough: each file says in quotes which others it loads."""
    program = program_from_source("return function() return 1 end", modules=WORKFLOW_MODULES)
    part = Kernel.read(current_kernel().part(WORKFLOW_MODULES).data)
    for name in WORKFLOW_MODULES:
        source = f"return function() return type(require('{name}')) ~= 'nil' end"
        alone = program_from_source(source, modules=[name])
        kernel = Kernel.read(current_kernel().part([name]).data)
        assert VirtualHost(replace(alone, kernel=kernel)).run() is True
    assert VirtualHost(replace(program, kernel=part)).run() == 1
