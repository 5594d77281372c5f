"""The `funcs` module: its Lua half speaks in `call` commands; here are only the options it checks before it sends one."""

from __future__ import annotations

from runtime.modules import options
from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(
    name="funcs",
    classes=frozenset({WORKFLOW}),
    summary="call functions: activities in a workflow, on this host elsewhere",
    functions={"options.activity": options.activity_options_json},
)
