"""Tools for authors' own tests: scripts run on a virtual clock with mocked results, and tests written in Lua."""

from runtime.testing.lua_files import LuaFile, find
from runtime.testing.registry_host import RegistryHost, new_world
from runtime.testing.scripts import program_from_source
from runtime.testing.suite import Case, Outcome, Suite
from runtime.testing.virtual import Step, VirtualHost

__all__ = [
    "Case",
    "LuaFile",
    "Outcome",
    "RegistryHost",
    "Step",
    "Suite",
    "VirtualHost",
    "find",
    "new_world",
    "program_from_source",
]
