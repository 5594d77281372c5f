"""The `ctx` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(name="ctx", classes=frozenset({WORKFLOW}), summary="context values that travel with calls")
