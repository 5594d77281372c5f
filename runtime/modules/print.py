"""The `print` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(name="print", classes=frozenset({WORKFLOW}), summary="one log line")
