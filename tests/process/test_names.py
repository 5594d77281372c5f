"""Names of processes: whose they are, how many one may have, and that they go with whoever had them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import ALREADY_EXISTS, NOT_FOUND, RATE_LIMITED, Error
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
    assert (names.unregister("a"), names.unregister("a")) == (True, False)
    names.register("a", "two")
    names.forget("one")
    names.forget("one")
    assert (names.get("b"), names.lookup("a")) == (None, "two")
    names.forget("two")
    with pytest.raises(Error) as gone:
        names.lookup("a")
    assert gone.value.kind == NOT_FOUND


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
