"""The `saga` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(name="saga", classes=frozenset({WORKFLOW}), summary="compensations, last added first")
