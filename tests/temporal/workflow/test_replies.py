"""Updates that a listener answers by messages: ack, nak, ok, error."""

from __future__ import annotations

import pytest

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.temporal.stage import Files, staged

# Answers each request with the messages it names, and remembers what send said.
ANSWERING = """return { main = function()
  local requests, said = process.listen('ask', { message = true }), {}
  while true do
    local message = requests:receive()
    local request = message:payload():data()
    for _, answer in ipairs(request) do
      local value = answer[2]
      if answer[3] then value = errors.new({ kind = answer[3], message = answer[2], details = { by = 'main' } }) end
      if answer[1] == 'sleep' then time.sleep('1ms') else
        local ok, err = process.send(message:from(), answer[1], value)
        said[#said + 1] = err and err:kind() or ok
      end
    end
    if request.last or #request == 0 then return said end
  end
end }"""


async def test_an_update_is_answered_by_messages(files: Files, temporal_server: DevServer) -> None:
    files.workflow("main", ANSWERING)
    async with staged(files, temporal_server.address) as stage:
        run = await stage.start("main")
        assert await stage.update(run, "ask", [["ack"], ["sleep"], ["ok", {"n": 1}]]) == {"n": 1}
        assert await stage.update(run, "ask", [["ok", "at once"]]) == "at once"
        with pytest.raises(Error, match="not today") as nak:
            await stage.update(run, "ask", [["nak", "not today", "Conflict"]])
        assert (nak.value.kind, nak.value.details) == ("Conflict", {"by": "main"})
        with pytest.raises(Error, match="broke down"):
            await stage.update(run, "ask", [["ack"], ["error", "broke down"]])
        with pytest.raises(Error, match="refused"):
            await stage.update(run, "ask", [["nak"]])
        assert await stage.update(run, "ask", [["what", 1], ["ok", 2], ["ok", 3], ["ack"]]) == 2
        with pytest.raises(Error) as unknown:
            await stage.update(run, "nobody", 1)
        assert unknown.value.kind == "NotFound"
        await stage.send(run, "ask", [])
        assert await stage.result(run) == [
            True,
            True,
            True,
            True,
            True,
            True,
            True,
            "Invalid",
            True,
            "NotFound",
            "NotFound",
        ]
        types = await stage.event_types(run)
        assert types.count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 6
        assert types.count("WORKFLOW_EXECUTION_UPDATE_COMPLETED") == 6
        assert "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED" not in types
        assert [result.failure for result in await stage.replay(run)] == [None]
