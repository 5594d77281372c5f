"""Questions that spend a budget: whoever asked is told what was spent, where, and what to do; the run goes on."""

from __future__ import annotations

import pytest

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

SPINS = {
    "instructions": "while true do end",
    "memory": "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
    "text": "while true do local _ = ('x'):rep(1000000):find(('x*'):rep(20) .. 'y') end",
}
SCRIPT = """
local spins = {{ {} }}
return {{ main = function()
  workflow.query("spin", function(how) return spins[how]() end)
  workflow.update("spin", function() return true end, function(how) return spins[how]() end)
  return process.listen("go"):receive()
end }}
""".format(", ".join(f"{name} = function() {body} end" for name, body in SPINS.items()))


async def test_a_question_that_spends_its_budget_says_so_and_where(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", SCRIPT)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        for ask in (stage.query, stage.update):
            for how in SPINS:
                with pytest.raises(Error) as spent:
                    await ask(run, "spin", how)
                assert spent.value.kind == "LimitExceeded", f"{ask.__name__} {how}: {spent.value}"
                place = "memory" if "memory limit" in spent.value.message else "main.lua:2"
                assert place in spent.value.message
                assert "do less in a query handler or validator" in spent.value.message
        await stage.send(run, "go", 7)
        assert await stage.result(run) == 7
