"""The `payload` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import DETERMINISTIC, ModuleDef

MODULE = ModuleDef(name="payload", classes=frozenset({DETERMINISTIC}), summary="values with a format")
