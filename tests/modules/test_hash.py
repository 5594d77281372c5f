from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from runtime.modules.hash import fnv32, fnv64
from tests.modules.host_script import run


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
async def test_digests_are_those_of_the_standard(tmp_path: Path, name: str) -> None:
    body = f'return {{ hash.{name}("a\\0b"), #hash.{name}("a", true), hash.hmac_{name}("data", "key"), #hash.hmac_{name}("data", "key", true) }}'
    size = hashlib.new(name).digest_size
    assert await run(tmp_path, body, modules=["hash"]) == [
        hashlib.new(name, b"a\0b").hexdigest(), size, hmac.new(b"key", b"data", name).hexdigest(), size
    ]  # fmt: skip


def test_fnv_follows_its_published_vectors() -> None:
    assert fnv32(b"") == 0x811C9DC5
    assert fnv32(b"foobar") == 0xBF9CF968
    assert fnv64(b"") % 2**64 == 0xCBF29CE484222325
    assert fnv64(b"foobar") % 2**64 == 0x85944171F73967E8


async def test_fnv64_is_a_lua_integer_of_the_same_bits(tmp_path: Path) -> None:
    body = 'return { string.format("%x", hash.fnv64("foobar")), math.type(hash.fnv64("a")), hash.fnv32("foobar") }'
    assert await run(tmp_path, body, modules=["hash"]) == ["85944171f73967e8", "integer", 0xBF9CF968]
