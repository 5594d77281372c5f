"""What scripts can require. One file pair per module, named as in `require`: `<name>.lua` (its Lua half) and `<name>.py`."""

from runtime.modules.definition import DETERMINISTIC, HOST, PURE, WORKFLOW, HostCall, ModuleDef

__all__ = ["DETERMINISTIC", "HOST", "PURE", "WORKFLOW", "HostCall", "ModuleDef"]
