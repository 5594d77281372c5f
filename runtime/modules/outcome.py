"""The `outcome` module; all of it is Lua."""

from __future__ import annotations

from runtime.modules.definition import PURE, ModuleDef

MODULE = ModuleDef(
    name="outcome", classes=frozenset({PURE}), summary="ok, retry or fail: the results of an external call"
)
