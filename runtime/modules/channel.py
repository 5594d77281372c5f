"""The `channel` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import DETERMINISTIC, ModuleDef

MODULE = ModuleDef(name="channel", classes=frozenset({DETERMINISTIC}), summary="channels and select")
