"""The `logger` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(name="logger", classes=frozenset({WORKFLOW}), summary="structured log lines")
