"""Evermoon: durable workflows written in Lua, on Temporal."""

from runtime.app import Runtime
from runtime.errors import Error
from runtime.registry import Registry
from runtime.temporal.plugin import LuaPlugin

__all__ = ["Error", "LuaPlugin", "Registry", "Runtime"]
