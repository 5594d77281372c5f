"""`evermoon deploy` to a `serve` that runs from other files, over a shared store."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from runtime.temporal.dev_server import DevServer
from tests.cli.shell import Outcome, evermoon, running
from tests.waiting import wait_until

HELLO = """
local tell = require("tell")
return { main = function(input) return tell("EDIT", input) end }
"""
REGISTRY = """
version: "1.0"
namespace: app
root: ..
entries:
  - {name: temporal, kind: temporal.client, address: "${env:TEMPORAL_ADDRESS}"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: QUEUE}
  - {name: http, kind: http.service, addr: "127.0.0.1:0"}
  - {name: tell, kind: library.lua, source: file://lib/tell.lua}
  - {name: hello, kind: workflow.lua, source: file://entries/hello.lua, imports: {tell: tell},
     meta: {temporal: {workflow: {worker: worker}}}}
"""
PYTHON = '  - {name: charge, kind: function.py, source: "py://payments:charge"}\n'


class Site:
    """An author's checkout and the directory that `serve` runs in: the same files to begin with, and one store."""

    def __init__(self, directory: Path, server: DevServer) -> None:
        self.author, self.host = directory / "author", directory / "host"
        self.env = {
            "TEMPORAL_ADDRESS": server.address,
            "EVERMOON_BUNDLES": f"sqlite:///{directory / 'shared.db'}",
        }
        for place in (self.author, self.host):
            for name in ("config", "entries", "lib"):
                (place / name).mkdir(parents=True)
            self.registry(place).write_text(REGISTRY.replace("QUEUE", f"deploy-{directory.name}"))
            (place / "entries" / "hello.lua").write_text(HELLO.replace("EDIT", "as installed"))
            (place / "lib" / "tell.lua").write_text("return function(edit) return { edit = edit } end")

    @staticmethod
    def registry(place: Path) -> Path:
        return place / "config" / "registry.yaml"

    def edit(self, text: str) -> None:
        (self.author / "entries" / "hello.lua").write_text(HELLO.replace("EDIT", text))

    def deploy(self, *words: str) -> Outcome:
        return evermoon(self.author, "deploy", *words, "--timeout", "5m", "--json", env=self.env)

    def status(self) -> Any:
        done = self.deploy("--status")
        assert done.status == 0, done.err
        return done.json


def ask(base: str, method: str = "GET") -> Any:
    request = urllib.request.Request(base, method=method, data=b"{}" if method == "POST" else None)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def run(base: str) -> Any:
    """A run that the host starts: what it says it is made of."""
    id = ask(f"{base}/api/v1/workflows/app:hello", "POST")["id"]
    return wait_until(lambda: ask(f"{base}/api/v1/runs/{id}/result?wait=30"), lambda answer: "edit" in answer)["edit"]


@pytest.mark.timeout(600)
async def test_what_is_deployed_is_served(tmp_path: Path, temporal_server: DevServer) -> None:
    site = Site(tmp_path, temporal_server)
    with running(site.host, "serve", env=site.env) as (process, told):
        base = told["http"]["app:http"]
        assert told["release"] is None
        assert run(base) == "as installed"
        [host] = site.status()["hosts"]
        assert (host["pid"], host["release"]) == (process.pid, 0)

        site.edit("first edit")
        done = site.deploy("--wait", "--note", "greets anew")
        assert done.status == 0, done.out
        assert (done.json["created"], done.json["release"]["number"]) == (True, 1)
        assert [host["state"] for host in done.json["hosts"]] == ["serving"]
        assert run(base) == "first edit"
        started = evermoon(site.author, "start", "app:hello", "--wait", "--json", env=site.env)
        assert started.json == {"edit": "first edit"}

        # The author's files are no code of runs until they are deployed.
        site.edit("not deployed")
        started = evermoon(site.author, "start", "app:hello", "--wait", "--json", env=site.env)
        assert started.json == {"edit": "first edit"}

        # A mistake anywhere: nothing is published.
        (site.author / "lib" / "tell.lua").write_text("return function(")
        refused = site.deploy("--wait")
        assert refused.status == 1
        assert "lib/tell.lua" in refused.out
        assert [item["number"] for item in site.status()["releases"]] == [1]
        (site.author / "lib" / "tell.lua").write_text("return function(edit) return { edit = edit .. '!' } end")

        # Python is code of the host: this one does not have it, refuses the release whole, and goes on.
        (site.author / "payments.py").write_text("def charge() -> int:\n    return 1\n")
        site.registry(site.author).write_text(site.registry(site.author).read_text() + PYTHON)
        site.edit("second edit")
        refused = site.deploy("--wait")
        assert refused.status == 1
        error = refused.json["error"]
        assert "payments" in error["message"]
        assert [host["state"] for host in error["details"]["hosts"]] == ["refused"]
        assert run(base) == "first edit"

        # With it, what was refused is taken up by whoever starts.
        (site.host / "payments.py").write_text("def charge() -> int:\n    return 2\n")

    with running(site.host, "serve", env=site.env) as (_, told):
        base = told["http"]["app:http"]
        assert told["release"] == 2
        assert run(base) == "second edit!"
        again = site.deploy("--wait")
        assert (again.status, again.json["created"], again.json["not_shipped"]) == (0, False, ["app:charge"])

        back = site.deploy("--rollback", "--wait")
        assert back.status == 0, back.out
        assert (back.json["release"]["number"], back.json["release"]["note"]) == (3, "release 1 again")
        assert run(base) == "first edit"
    assert site.status()["hosts"] == []
    assert site.deploy("--rollback", "77").status == 1

    with running(site.host, "serve", "--no-follow", env=site.env) as (_, told):
        assert told["release"] is None
        assert run(told["http"]["app:http"]) == "as installed"
