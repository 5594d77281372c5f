"""Tools for authors' own tests: scripts run on a virtual clock with mocked results, and tests written in Lua."""

from runtime.testing import Case, LuaFile, Outcome, RegistryHost, Step, Suite, VirtualHost, find, program_from_source

__all__ = ["Case", "LuaFile", "Outcome", "RegistryHost", "Step", "Suite", "VirtualHost", "find", "program_from_source"]
