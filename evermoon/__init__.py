"""Evermoon: durable workflows written in Lua, on Temporal. These are its public names; everything else may change.

To run it, or to act on runs:

- `Runtime` is Evermoon in one process: `async with Runtime.open("config/registry.yaml", temporal="embedded") as runtime: …`. `HttpOptions` say how it serves HTTP.
- `LuaPlugin` adds a registry's workflows and activities to a Temporal worker of yours.
- `Started` and `RunDescription` are what a runtime answers about runs.

In a Python function (a `function.py` entry):

- `Error` is how a function fails: `raise Error("NoRoom", "no room for 9 nights", retryable=False)`. `evermoon.errors` has the kinds.
- `current()` is the execution that the function runs in: its activity, request or message, caller and idempotency key.
- `stream.publish` tells something to those who follow the run, beside its history.

To work with definition files, bundles and histories:

- `Registry` is a set of definition files; `RegistryError` has all mistakes of one that cannot be loaded.
- `BundleStore` is what to subclass for another sort of store, `DirectoryStore` one in a directory.
- `replay` replays histories; `Programs` are the scripts that it replays them with.

`evermoon.testing` has what an author's tests need.

Names are imported when first used (PEP 562): whoever needs one part does not pay for the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evermoon import errors, stream, testing
    from runtime.app.runtime import Runtime
    from runtime.contracts import RunDescription, Started
    from runtime.errors import Error
    from runtime.http import HttpOptions
    from runtime.lua.program import Programs
    from runtime.process.execution_context import current
    from runtime.registry import BundleStore, DirectoryStore, Registry, RegistryError
    from runtime.temporal.replay.replayer import replay
    from runtime.temporal.worker.plugin import LuaPlugin

__all__ = [
    "BundleStore",
    "DirectoryStore",
    "Error",
    "HttpOptions",
    "LuaPlugin",
    "Programs",
    "Registry",
    "RegistryError",
    "RunDescription",
    "Runtime",
    "Started",
    "current",
    "errors",
    "replay",
    "stream",
    "testing",
]

_HOMES = {
    "BundleStore": "runtime.registry",
    "DirectoryStore": "runtime.registry",
    "Error": "runtime.errors",
    "HttpOptions": "runtime.http",
    "LuaPlugin": "runtime.temporal.worker.plugin",
    "Programs": "runtime.lua.program",
    "Registry": "runtime.registry",
    "RegistryError": "runtime.registry",
    "RunDescription": "runtime.contracts",
    "Runtime": "runtime.app.runtime",
    "Started": "runtime.contracts",
    "current": "runtime.process.execution_context",
    "replay": "runtime.temporal.replay.replayer",
}
_MODULES = ("errors", "stream", "testing")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"evermoon.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
