"""Mistakes in scripts are found when the registry is loaded, all at once, at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.lua.check import lua_checks
from runtime.registry import Registry, RegistryError

REGISTRY = """\
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:7233"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: q}
  - name: broken
    kind: workflow.lua
    source: file://broken.lua
    meta: {temporal: {workflow: {worker: worker}}}
  - name: impure
    kind: workflow.lua
    source: file://good.lua
    modules: [http_client, jsom, text]
    meta: {temporal: {workflow: {worker: worker}}}
  - name: through
    kind: workflow.lua
    source: file://good.lua
    imports: {lib: lib}
    meta: {temporal: {workflow: {worker: worker}}}
  - {name: lib, kind: library.lua, source: "file://good.lua", modules: [env]}
  - name: slow
    kind: function.lua
    source: file://good.lua
    meta: {options: {activity.start_to_close_timeout: soon}}
"""


def problems(folder: Path, text: str) -> list[str]:
    (folder / "registry.yaml").write_text(text)
    (folder / "broken.lua").write_text("local x = 1\nreturn function( end\n")
    (folder / "good.lua").write_text("return function() end\n")
    with pytest.raises(RegistryError) as caught:
        Registry.load(folder / "registry.yaml", environ={}, checks=[lua_checks])
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_all_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, REGISTRY)
    assert len(found) == 6
    assert found[0] == "broken.lua:2: app:broken: the script does not compile: <name> or '...' expected near 'end'"
    assert found[1].startswith("registry.yaml:9: app:impure: module 'http_client' cannot be used in a workflow")
    assert "registry.yaml:9: app:impure: module 'text' is not supported yet" in found[2]
    assert "unknown module 'jsom'; did you mean 'json'?" in found[3]
    assert "app:through: module 'env' cannot be used in a workflow (through app:lib)" in found[4]
    assert "app:slow: meta.options" in found[5]
    assert '"soon"' in found[5] or "'soon'" in found[5]
