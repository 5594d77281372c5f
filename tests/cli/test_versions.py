"""`workflow.version` in a script that changes under its runs, as the command line and HTTP tell of them."""

from __future__ import annotations

import json
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from tests.cli.shell import evermoon, running
from tests.waiting import wait_until

BEFORE = """
return function()
  workflow.query("version", function() return "before" end)
  process.listen("go"):receive()
  return { greeting = "hello" }
end
"""
AFTER = """
return function()
  local version = workflow.version("greeting", 1, 2)
  workflow.query("version", function() return version end)
  process.listen("go"):receive()
  return { greeting = version == 1 and "hello" or "good day", again = workflow.version("greeting", 1, 2) }
end
"""
ENTRY = """
  - name: changing
    kind: workflow.lua
    source: file://entries/changing.lua
    modules: [workflow]
    meta: {temporal: {workflow: {worker: worker, versioning: latest}}}
"""


def test_a_run_older_than_a_change_stays_on_the_version_before_it(tmp_path: Path) -> None:
    """Each task is a replay with the code of the moment: the change meets runs that passed its place without it."""
    script = _project(tmp_path)
    with running(tmp_path, "dev", "--ephemeral", "-o", "app:worker:worker_options={max_cached_workflows: 0}") as told:
        site = told[1]["http"]["app:http"]
        _cli(tmp_path, "start", "app:changing", "--id", "old-1")
        _http(site, "workflows/app:changing?id=old-2", None)
        for id in ("old-1", "old-2"):
            assert _http(site, f"runs/{id}/queries/version", None) == "before"
        script.write_text(AFTER)
        for id in ("old-1", "old-2"):
            wait_until(partial(_is_version, site, id, 1))
        assert _cli(tmp_path, "query", "old-2", "version") == 1
        _http(site, "workflows/app:changing?id=new", None)
        assert _cli(tmp_path, "query", "new", "version") == 2
        histories = []
        for id, expected in (
            ("old-1", {"greeting": "hello", "again": 1}),
            ("old-2", {"greeting": "hello", "again": 1}),
            ("new", {"greeting": "good day", "again": 2}),
        ):
            _http(site, f"runs/{id}/signals/go", None)
            assert _http(site, f"runs/{id}/result?wait=60") == expected
            histories.append(tmp_path / f"{id}.json")
            histories[-1].write_text(json.dumps(_http(site, f"runs/{id}/history")))
        assert _cli(tmp_path, "result", "old-2") == {"greeting": "hello", "again": 1}
        assert evermoon(tmp_path, "replay", *map(str, histories)).status == 0


def _is_version(site: str, run: str, version: int) -> bool:
    return bool(_http(site, f"runs/{run}/queries/version", None) == version)


def _project(directory: Path) -> Path:
    """The script that will change."""
    assert evermoon(directory, "new", ".", "--namespace", "app").status == 0
    registry = directory / "config" / "registry.yaml"
    registry.write_text(registry.read_text().replace("127.0.0.1:8080", "127.0.0.1:0") + ENTRY)
    script = directory / "entries" / "changing.lua"
    script.write_text(BEFORE)
    return script


def _cli(directory: Path, *words: str) -> Any:
    outcome = evermoon(directory, *words, "--json")
    assert outcome.status == 0, outcome
    return outcome.json


_GET = object()


def _http(site: str, path: str, body: Any = _GET) -> Any:
    """What the API of runs answers; with a body to a POST."""
    data = None if body is _GET else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{site}/api/v1/{path}", data, headers)) as answer:
        return json.loads(answer.read() or b"null")
