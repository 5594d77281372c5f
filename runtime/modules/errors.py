"""The `errors` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import DETERMINISTIC, ModuleDef

MODULE = ModuleDef(name="errors", classes=frozenset({DETERMINISTIC}), summary="error objects and their kinds")
