from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shell import evermoon

REGISTRY = """
version: "1.0"
namespace: app
entries:
  - {name: who, kind: function.lua, source: file://who.lua, modules: [security, funcs]}
  - {name: other, kind: function.lua, source: file://other.lua}
  - {name: reads, kind: function.lua, source: file://reads.lua, modules: [env, http_client]}
  - {name: key, kind: env.variable, variable: API_KEY, secret: true}
  - {name: nothing, kind: security.policy, groups: [guests], policy: {actions: look, resources: "*", effect: allow}}
"""
WHO = """
return function()
  local actor = security.actor()
  local _, err = funcs.call("app:other")
  return { actor and actor:id() or "nobody", actor and actor:meta().role or "", err and err:message() or "called" }
end
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "registry.yaml").write_text(REGISTRY.replace(", modules: [env, http_client]}", "}"))
    (tmp_path / "who.lua").write_text(WHO)
    (tmp_path / "other.lua").write_text("return function() return 1 end")
    (tmp_path / "reads.lua").write_text(
        'return function()\n  return env.get("API_KEY"), http_client.get("http://169.254.169.254/")\nend'
    )
    return tmp_path


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ([], ["nobody", "", "called"]),
        (["--actor", "ann"], ["ann", "", "called"]),
        (
            ["--actor", '{"id": "ann", "meta": {"role": "clerk"}}', "--scope", "app:guests"],
            ["ann", "clerk", "funcs.call on app:other is not allowed to ann"],
        ),
    ],
)
def test_a_call_is_for_whom_it_says(project: Path, words: list[str], seen: list[str]) -> None:
    done = evermoon(project, "call", "app:who", *words, "--registry", "registry.yaml", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out) == seen


def test_what_an_entry_may_not_have_stops_the_load(project: Path) -> None:
    (project / "registry.yaml").write_text(REGISTRY)
    done = evermoon(project, "check", "--registry", "registry.yaml")
    assert done.status == 1
    [place, secret] = sorted(line for line in done.err.splitlines() if "reads.lua" in line)
    assert secret.startswith(
        'reads.lua:2: app:reads: http_client.get("http://169.254.169.254/"): 169.254.169.254 is not'
    )
    assert place.startswith('reads.lua:2: app:reads: env.get("API_KEY"): environment variable API_KEY is secret')
    assert "give app:reads meta: {env: {variables: [app:key]}}" in place
    refused = evermoon(project, "call", "app:who", "--registry", "registry.yaml")
    assert (refused.status, "reads.lua:2" in refused.err) == (1, True)
