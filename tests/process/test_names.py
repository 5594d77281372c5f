"""Names of processes: whose they are, how many one may have, and that they go with whoever had them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import ALREADY_EXISTS, INVALID, NOT_FOUND, RATE_LIMITED, Error
from runtime.process.names import MAX_NAMES, Names
from tests.process.support import call, host, load


def test_a_name_belongs_to_one_until_it_is_given_up() -> None:
    names = Names()
    names.register("b", "one")
    names.register("a", "one")
    names.register("a", "one")
    with pytest.raises(Error) as taken:
        names.register("a", "two")
    assert (taken.value.kind, names.of("one"), names.of("two")) == (ALREADY_EXISTS, ["a", "b"], [])
    assert (str(taken.value), taken.value.retryable) == ("name a is taken", False)
    assert taken.value.details == {"name": "a", "pid": "one"}
    assert (names.unregister("a"), names.unregister("a")) == (True, False)
    names.register("a", "two")
    names.forget("one")
    names.forget("one")
    assert (names.get("b"), names.get("a"), names.lookup("a")) == (None, "two", "two")
    names.forget("two")
    with pytest.raises(Error) as gone:
        names.lookup("a")
    assert (gone.value.kind, str(gone.value), gone.value.retryable) == (NOT_FOUND, "name not found: a", False)
    assert gone.value.details == {"name": "a"}
    assert (names._pids, names._names) == ({}, {})


def test_a_name_that_cannot_be_is_refused() -> None:
    names = Names()
    with pytest.raises(Error) as refused:
        names.register("a\0b", "one")
    assert refused.value.kind == INVALID
    assert str(refused.value).startswith("name ")
    assert (names._pids, names._names) == ({}, {})


def test_one_may_have_only_so_many() -> None:
    names = Names()
    for number in range(MAX_NAMES):
        names.register(f"name {number}", "one")
    names.register("name 0", "one")
    names.register("more", "two")
    with pytest.raises(Error) as full:
        names.register("one more", "one")
    assert (full.value.kind, full.value.retryable) == (RATE_LIMITED, False)
    assert str(full.value) == f"one has {MAX_NAMES} names already"
    assert full.value.details == {"pid": "one", "max_names": MAX_NAMES}
    assert names.unregister("name 7")
    names.register("one more", "one")
    assert names.unregister("more")
    assert names.of("two") == []


async def test_a_script_that_registers_without_end_is_refused(tmp_path: Path) -> None:
    body = """
        return function()
          for i = 1, 10000 do
            local ok, err = process.registry.register("name " .. i)
            if not ok then return { i, err:kind(), err:details().max_names } end
          end
        end
    """
    async with host(load(tmp_path, {"names.lua": body}, [])) as h:
        assert await call(h, "names") == [MAX_NAMES + 1, RATE_LIMITED, MAX_NAMES]
        assert h.names.get("name 1") is None
