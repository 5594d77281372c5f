"""The `process` module: its Lua half speaks in commands; here are only the options it checks before it sends one."""

from __future__ import annotations

from runtime.modules import options
from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(
    name="process",
    classes=frozenset({WORKFLOW}),
    summary="messages, events and starting others",
    functions={"options.workflow": options.workflow_options_json},
)
