"""expr: expressions of the Go library expr-lang. All of it is Lua, see `expr*.lua`."""

from __future__ import annotations

from runtime.modules.definition import DETERMINISTIC, ModuleDef

MODULE = ModuleDef(name="expr", classes=frozenset({DETERMINISTIC}), summary="expressions over given values")
