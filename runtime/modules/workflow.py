"""The `workflow` module. Its questions (`workflow.version`, ...) are answered by the host of the run, not here."""

from __future__ import annotations

from runtime.modules.definition import WORKFLOW, ModuleDef

MODULE = ModuleDef(
    name="workflow",
    classes=frozenset({WORKFLOW}),
    summary="what only a run has: info, versions, attributes, queries, updates, status",
)
