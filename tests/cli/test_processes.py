"""`ps`, `show` and the HTTP API on a service's process of a running `evermoon dev`; and its end with it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.shell import evermoon, running
from tests.definitions import with_worker

REGISTRY = with_worker("""
  - {name: http, kind: http.service, addr: "127.0.0.1:0"}
  - {name: processes, kind: process.host}
  - {name: keeper, kind: process.lua, source: "file://keeper.lua", modules: [logger]}
  - {name: keeping, kind: process.service, process: keeper, host: processes, input: [the-keeper]}
""")
KEEPER = """
return function(name)
  process.registry.register(name)
  local event = process.events():receive()
  print("ended by " .. event.reason)
end
"""


def get(base: str, path: str) -> Any:
    with urllib.request.urlopen(base + path) as response:
        return json.load(response)


def test_a_service_is_seen_and_ends_with_its_host(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "registry.yaml").write_text(REGISTRY)
    (tmp_path / "config" / "keeper.lua").write_text(KEEPER)
    with running(tmp_path, "dev", "--ephemeral", "--no-reload") as (_, told):
        base = told["http"]["app:http"]
        [process] = [item for item in evermoon(tmp_path, "ps", "--json").json if item["entry"] == "app:keeper"]
        pid = process["pid"]
        assert pid.startswith("{app:processes@")
        assert (process["host"], process["names"], process["status"]) == ("app:processes", ["the-keeper"], "RUNNING")

        shown = evermoon(tmp_path, "show", pid).out
        assert "the-keeper" in shown
        assert "keeper.lua:4" in shown
        gone = evermoon(tmp_path, "show", pid.replace("|", "|9"))
        assert (gone.status, "not found" in gone.err) == (1, True)

        assert get(base, "/api/v1/processes")["count"] == 1
        assert get(base, f"/api/v1/processes/{quote(pid)}")["stack"][0]["frames"][0].startswith("keeper.lua:4 in ")
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(base, "/api/v1/processes/nobody")
        assert caught.value.code == 404
        caught.value.close()
    assert "ended by service stopped" in (tmp_path / "stderr.log").read_text()
