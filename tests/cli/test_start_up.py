"""What a command imports: nothing that it does not use. Each runs in a process of its own, which tells what it has loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.definitions import with_worker

#: Libraries that take their time. A command may load those it is listed with, and no other.
HEAVY = frozenset(
    {
        "aiohttp",
        "asyncio",
        "cryptography",
        "jsonschema",
        "jwt",
        "lupa",
        "prometheus_client",
        "re2",
        "rich",
        "sqlalchemy",
    }
    | {"temporalio.client", "temporalio.testing", "temporalio.worker", "watchfiles", "yarl"}
    | {
        "runtime.app.runtime",
        "runtime.http.server",
        "runtime.lua.check",
        "runtime.process.host",
        "runtime.temporal.worker.workers",
    }
    | {"runtime.testing"}
)
CLIENT = frozenset({"asyncio", "lupa", "temporalio.client"})
CHECK = frozenset({"lupa", "runtime.lua.check"})
NOWHERE = ("--state", "none")

REGISTRY = with_worker("""
  - name: hello
    kind: workflow.lua
    source: file://hello.lua
    modules: [time, json, crypto]
    meta: {temporal: {workflow: {worker: worker}}}
  - name: fetch
    kind: function.lua
    source: file://hello.lua
    modules: [http_client, sql, store, env]
""")

SERVED = (
    REGISTRY
    + """\
  - {name: web, kind: http.service, addr: "127.0.0.1:0"}
  - {name: api, kind: http.router, server: web, middleware: [cors]}
  - {name: route, kind: http.endpoint, router: api, method: GET, path: /fetch, func: fetch}
"""
)

_TELL = """\
import json, sys
from runtime.cli.process_exit import end_process
from runtime.cli.main import run
status = run(sys.argv[1:])
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
end_process(0)  # as the command does: threads of the SDK's core still run
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    (tmp_path / "served.yaml").write_text(SERVED)
    (tmp_path / "hello.lua").write_text("return { main = function() end }\n")
    return tmp_path


def loaded(project: Path, *words: str) -> tuple[int, frozenset[str]]:
    """The status a command ends with, and the heavy modules it has loaded by then."""
    line = [sys.executable, "-c", _TELL, *words]
    ended = subprocess.run(line, cwd=project, capture_output=True, text=True, check=True)
    status, names = json.loads(ended.stderr.splitlines()[-1])
    return status, HEAVY.intersection(names)


@pytest.mark.parametrize(
    ("words", "status", "allowed"),
    [
        (["--help"], 0, frozenset()),
        (["new", "fresh", "--json"], 0, frozenset()),
        (["docs", "cli", "--json"], 0, frozenset()),
        (["check", "--registry", "registry.yaml", "--json"], 0, CHECK),
        (["check", "--registry", "served.yaml", "--json"], 0, CHECK),
        (["deploy", "--status", "--bundles", "store", "--json"], 0, CHECK),
    ],
)
def test_a_command_that_needs_no_server_loads_no_sdk(
    project: Path, words: list[str], status: int, allowed: frozenset[str]
) -> None:
    found, heavy = loaded(project, *words)
    assert (found, heavy - allowed) == (status, frozenset())


@pytest.mark.parametrize(
    "words",
    [
        ["start", "app:hello"],
        ["send", "some", "topic"],
        ["query", "some", "name"],
        ["update", "some", "name"],
        ["result", "some"],
        ["cancel", "some"],
        ["terminate", "some"],
        ["ps"],
        ["show", "some"],
        ["events", "some"],
        ["schedules"],
        ["bundles"],
    ],
    ids=lambda words: str(words[0]),
)
def test_a_command_that_acts_on_runs_loads_the_client_alone(project: Path, words: list[str]) -> None:
    """The server it names does not answer, which is found out last."""
    status, heavy = loaded(project, *words, "--registry", "registry.yaml", "--json", *NOWHERE)
    reads_scripts = words[0] in ("start", "bundles", "schedules")
    assert (status, heavy - CLIENT - (CHECK if reads_scripts else frozenset())) == (1, frozenset())
    assert "temporalio.client" in heavy
