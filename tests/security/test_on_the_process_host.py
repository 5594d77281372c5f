"""Every attack as a function of one process host: it ends as its header says, and the host goes on answering rightly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from tests.security.corpus import MODULES, Attack, attacks

CANARY = "return function() local t = {} for k in pairs({b = 1, a = 2}) do t[#t + 1] = k end return table.concat(t) .. string.upper('x') end"


def _entry(attack: Attack) -> dict[str, Any]:
    return {
        "name": attack.name,
        "kind": "function.lua",
        "source": f"file://{attack.name}.lua",
        "modules": list(MODULES),
        "limits": {"memory": attack.memory, "instructions": attack.instructions},
    }


@pytest.fixture(scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProcessHost]:
    folder: Path = tmp_path_factory.mktemp("attacks")
    entries = [{"name": "canary", "kind": "function.lua", "source": "file://canary.lua"}]
    (folder / "canary.lua").write_text(CANARY)
    for attack in attacks("process"):
        (folder / f"{attack.name}.lua").write_text(attack.source)
        entries.append(_entry(attack))
    (folder / "registry.yaml").write_text(yaml.safe_dump({"namespace": "attack", "entries": entries}))
    registry = Registry.load(folder, environ={})
    made = ProcessHost(registry, Programs(registry), log=lambda *_: None)
    yield made
    await made.close(0)


@pytest.mark.parametrize("attack", attacks("process"), ids=lambda attack: attack.name)
async def test_attack(attack: Attack, target: ProcessHost) -> None:
    value, failure = None, None
    try:
        value = (await target.call(f"attack:{attack.name}", [])).value()
    except Error as error:
        failure = error
    attack.judge(value, failure)
    assert (await target.call("attack:canary", [])).value() == "abX"
