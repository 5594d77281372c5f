from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from runtime.errors import INVALID
from runtime.lua import protocol
from runtime.lua.program import Programs
from runtime.lua.session import Session
from tests.modules.host_script import run
from tests.process.support import function, load

NOW = 1_700_000_000_123_456_789
DNS = str(uuid.NAMESPACE_DNS)


async def ask(directory: Path, body: str) -> Any:
    return await run(directory, body, modules=["uuid"])


def replayed(directory: Path, body: str, seed: int) -> Any:
    """What a run of that seed answers at a fixed time."""
    registry = load(directory, {"u.lua": f"return function() {body} end"}, [function("u", modules=["uuid"])])
    boot = {"class": "workflow", "pid": "{w|1}", "entry": "app:u", "seed": seed, "ctx": {}, "info": {}}
    session = Session(Programs(registry).get("app:u"), boot)
    try:
        batch = session.step([protocol.start([])], protocol.Clock(now=NOW))
    finally:
        session.close()
    assert batch.value is not None
    return batch.value.value()


def test_a_replay_makes_the_same_identifiers(tmp_path: Path) -> None:
    body = "return { uuid.v1(), uuid.v4(), uuid.v7(), uuid.v4() }"
    made = replayed(tmp_path, body, 1)
    assert made == replayed(tmp_path, body, 1)
    assert len({*made, *replayed(tmp_path, body, 2)}) == 8


def test_versions_and_times_are_as_the_standard_says(tmp_path: Path) -> None:
    v1, v4, v7 = (uuid.UUID(text) for text in replayed(tmp_path, "return { uuid.v1(), uuid.v4(), uuid.v7() }", 1))
    assert [v.version for v in (v1, v4)] == [1, 4]
    assert {v.variant for v in (v1, v4, v7)} == {uuid.RFC_4122}
    assert v1.time == NOW // 100 + 0x01B21DD213814000
    assert v1.node >> 40 & 1
    assert (v7.int >> 76 & 0xF, v7.int >> 80) == (7, NOW // 1_000_000)


def test_those_of_one_millisecond_sort_as_they_were_made(tmp_path: Path) -> None:
    made = replayed(tmp_path, "local l = {} for i = 1, 5000 do l[i] = uuid.v7() end return l", 1)
    assert made == sorted(made)
    assert len(set(made)) == 5000


async def test_named_ones_are_those_of_the_standard(tmp_path: Path) -> None:
    body = f'return {{ uuid.v3("{DNS}", "a.b"), uuid.v5("{DNS}", "a.b"), select(2, uuid.v5("x", "a")):kind() }}'
    expected = [str(uuid.uuid3(uuid.NAMESPACE_DNS, "a.b")), str(uuid.uuid5(uuid.NAMESPACE_DNS, "a.b")), INVALID]
    assert await ask(tmp_path, body) == expected


async def test_identifiers_are_judged_not_raised_upon(tmp_path: Path) -> None:
    body = f"""
        local function kind(v, err) return v == nil and err:kind() end
        return {{
          uuid.validate("{DNS}"), uuid.validate("x"), uuid.validate(5), uuid.validate(nil), uuid.validate("{DNS}x"),
          uuid.version("{DNS}"), uuid.variant("{DNS}"), kind(uuid.version("x")), kind(uuid.variant(5)), kind(uuid.parse({{}})),
          kind(uuid.format("{DNS}", "hex")), kind(uuid.format(1)), kind(uuid.format("{DNS}", 1)),
        }}
    """
    assert await ask(tmp_path, body) == [
        True, False, False, False, False, 1, "RFC4122", INVALID, INVALID, INVALID, INVALID, INVALID, INVALID
    ]  # fmt: skip


async def test_parse_tells_what_is_inside(tmp_path: Path) -> None:
    v1, v7 = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "018bcfe5-687b-7000-8000-000000000000"
    body = f'return {{ uuid.parse("{v1}"), uuid.parse("{v7}"), uuid.parse("{uuid.UUID(int=4 << 76 | 2 << 62)}") }}'
    assert await ask(tmp_path, body) == [
        {"version": 1, "variant": "RFC4122", "timestamp": 886630433, "node": "00c04fd430c8"},
        {"version": 7, "variant": "RFC4122", "timestamp": 1700000000},
        {"version": 4, "variant": "RFC4122"},
    ]


async def test_forms_of_writing(tmp_path: Path) -> None:
    body = f'local id = "{DNS}" return {{ uuid.format(id), uuid.format(id, "simple"), uuid.format(id, "urn"), uuid.format((id:upper():gsub("-", ""))) }}'
    assert await ask(tmp_path, body) == [DNS, DNS.replace("-", ""), f"urn:uuid:{DNS}", DNS]
